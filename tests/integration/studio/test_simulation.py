"""The simulated service: the same times for the same file, a rate limit if asked, a log of who came when."""

from __future__ import annotations

import time
import uuid

import pytest

from studio.rendering import draw_simulated_s
from studio.settings import StudioSettings

pytestmark = pytest.mark.integration

SCALE = 0.005


def test_a_file_takes_what_its_name_draws_and_its_way_is_told(start_studio, clip):
    studio = start_studio("--simulate", "--time-scale", str(SCALE))
    settings = StudioSettings(simulate=True, time_scale=SCALE)
    guest = studio.guest()
    guest.open()
    guest.upload(clip)
    began = time.time()
    guest.edit("add music")
    assert time.time() - began >= draw_simulated_s("edit", "clip", settings)
    render = f"render_{uuid.uuid4().hex}"
    guest.render(render)
    url = guest.wait(render)["url"]
    assert studio.http.get(url).status_code == 200
    (made,) = studio.ledger()["renders"]
    assert made["ended"] - made["created"] >= draw_simulated_s("render", "clip", settings)
    seen = studio.http.get("/_studio/traffic").json()["requests"]
    ours = [one for one in seen if one["render"] == render]
    assert {one["endpoint"] for one in ours} == {"status", "cdn"}
    assert ours[-1]["endpoint"] == "cdn"
    assert ours[-1]["at"] >= made["ended"]
    assert [one["at"] for one in seen] == sorted(one["at"] for one in seen)


def test_more_than_the_rate_is_answered_429_until_there_is_room(start_studio):
    studio = start_studio("--requests-per-s", "3")
    guest = studio.guest()
    answers = [guest.get("/api/credits/balance/simple") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].json()["code"] == 429
    time.sleep(int(answers[-1].headers["retry-after"]))
    assert guest.get("/api/credits/balance/simple").status_code == 200
    seen = studio.http.get("/_studio/traffic").json()["requests"]
    assert [one["refused"] for one in seen] == [False, False, False, True, True, False]
