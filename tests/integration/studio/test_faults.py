"""Every fault of the table, seen from outside; and that a seed makes a run repeat itself."""

from __future__ import annotations

import email.utils
import time
import uuid

import httpx
import pytest

from tests.patience import allow

pytestmark = pytest.mark.integration

BALANCE = "/api/credits/balance/simple"


def fault(endpoint, kind, **more):
    return {"endpoint": endpoint, "kind": kind, "count": 1, **more}


def finished(guest):
    """Render what is there and answer the id and the public address."""
    render = f"render_{uuid.uuid4().hex}"
    guest.render(render)
    return render, guest.wait(render)["url"]


@pytest.mark.parametrize(
    ("more", "waits"),
    [({}, None), ({"retry_after": 7}, "7"), ({"retry_after": 60, "retry_after_date": True}, "date")],
)
def test_429_with_and_without_retry_after(guest, more, waits):
    guest.studio.faults(fault("balance", "429", **more))
    answer = guest.get(BALANCE)
    assert (answer.status_code, answer.json()["code"]) == (429, 429)
    header = answer.headers.get("retry-after")
    if waits == "date":
        left_s = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        assert 50 < left_s <= 61
    else:
        assert header == waits
    assert guest.get(BALANCE).status_code == 200, "count=1: the second call is well"


@pytest.mark.parametrize("status", [500, 502, 503, 504, 418])
def test_any_status(guest, status):
    guest.studio.faults(fault("state", "status", status=status))
    assert guest.get(f"/api/state/nemo_agent/me/{guest.session}/latest").status_code == status


@pytest.mark.parametrize(("kind", "at_least_s"), [("reset", 0.0), ("timeout", 0.3)])
@pytest.mark.parametrize("landed", [True, False])
def test_a_render_whose_answer_is_lost(guest, kind, at_least_s, landed):
    guest.studio.faults(fault("render", kind, landed=landed, hold_s=0.3))
    render = f"render_{uuid.uuid4().hex}"
    begun = time.monotonic()
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        guest.render(render)
    assert time.monotonic() - begun >= at_least_s
    assert guest.render(render).status_code == (409 if landed else 200)
    guest.wait(render)


@pytest.mark.parametrize("code", [400, 402, 1001, 1002, 2001, 4001, 4002])
@pytest.mark.parametrize("carrier", ["envelope", "status", "both"])
def test_codes_by_every_carrier(guest, code, carrier):
    guest.studio.faults(fault("session", "code", code=code, carrier=carrier))
    answer = guest.post("/api/tasks/me/with-session/nemo_agent", json={"task_name": "project"})
    assert (answer.status_code == 200) == (carrier == "envelope")
    if carrier == "status":
        assert answer.content == b""
    else:
        assert answer.json()["code"] == code


def test_1001_really_ends_the_token(studio):
    headers = {"X-Client-Id": str(uuid.uuid4())}
    guest = studio.guest()
    guest.token = studio.http.post("/api/auth/anonymous-token", headers=headers).json()["data"]["token"]
    studio.faults(fault("balance", "code", code=1001))
    assert guest.get(BALANCE).json()["code"] == 1001
    assert guest.get(BALANCE).json()["code"] == 1001
    again = studio.http.post("/api/auth/anonymous-token", headers=headers)
    guest.token = again.json()["data"]["token"]
    assert guest.get(BALANCE).json()["code"] == 0


def test_a_code_inside_the_stream(guest):
    guest.studio.faults(fault("run_sse", "code", code=2001, carrier="stream"))
    events = guest.edit("add calm music")
    assert events[-1]["code"] == 2001
    assert "error" in events[-1]
    assert guest.charges() == []


@pytest.mark.parametrize("kind", ["cut", "stall"])
@pytest.mark.parametrize("landed", [True, False])
def test_a_stream_that_is_cut(guest, kind, landed):
    guest.studio.faults(fault("run_sse", kind, landed=landed, hold_s=0.1))
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        guest.run("add calm music")
    assert len(guest.charges()) == landed
    assert len(guest.state()["draft"]["t"]) == 1 + landed
    assert guest.balance()["frozen"] == 0


@pytest.mark.parametrize("landed", [True, False])
def test_an_error_inside_the_stream(guest, landed):
    guest.studio.faults(fault("run_sse", "error_in_stream", landed=landed))
    events = guest.edit("add calm music")
    assert events[-1]["error_details"]["error_type"] == "RuntimeError"
    assert len(guest.charges()) == landed


def test_a_silent_edit_lands_without_a_word(guest):
    guest.studio.faults(fault("run_sse", "silent"))
    events = guest.edit("add calm music")
    assert not any(
        part.get("text") and not part.get("thought") for e in events for part in e["content"]["parts"]
    )
    assert len(guest.state()["draft"]["t"]) == 2


def test_a_no_op_claims_success(guest):
    guest.studio.faults(fault("run_sse", "noop"))
    before = guest.state()["draft"]
    events = guest.edit("add calm music")
    assert "Done!" in events[-1]["content"]["parts"][0]["text"]
    assert guest.state()["draft"] == before


def test_a_question_and_its_answer(guest):
    guest.studio.faults(fault("run_sse", "question"))
    before = guest.state()["draft"]
    events = guest.edit("add background music")
    assert events[-1]["content"]["parts"][0]["text"].endswith("?")
    assert guest.state()["draft"] == before
    guest.edit("choose what fits best and go on")
    assert len(guest.state()["draft"]["t"]) == 2
    assert len(guest.charges()) == 1


def test_trailing_noise(guest):
    guest.studio.faults(fault("run_sse", "trailing_noise"))
    events = guest.edit("add calm music")
    assert events[-1]["content"]["parts"][0]["text"] == "I encountered a temporary issue"


def test_the_dialect_of_one_stream(guest):
    guest.studio.faults(fault("run_sse", "dialect", variant="a"))
    assert guest.edit("add calm music")[0]["type"] == "heartbeat"
    assert "content" in guest.edit("add sad music")[0]


def test_a_render_that_fails_and_the_next_that_does_not(guest):
    guest.studio.faults(fault("render", "failed_render"))
    render = f"render_{uuid.uuid4().hex}"
    guest.render(render)
    job = guest.wait(render)
    assert job["status"] == "failed"
    assert job["error"]
    assert guest.get(f"/api/render/proxy/{render}/download").status_code == 404
    assert finished(guest)[1]


def test_a_render_that_never_completes(guest):
    guest.studio.faults(fault("render", "dead_render"))
    render = f"render_{uuid.uuid4().hex}"
    guest.render(render)
    guest.wait(render, until=("processing",))
    assert finished(guest)[1], "it does not stand in the way of the next one"
    assert guest.status(render)["status"] == "processing"


@pytest.mark.parametrize(("variant", "key"), [("top", "status"), ("data", "data")])
def test_the_shape_of_a_render(guest, variant, key):
    render = finished(guest)[0]
    guest.studio.faults(fault("status", "shape", variant=variant))
    assert key in guest.get(f"/api/render/proxy/lambda/{render}").json()


def test_a_session_without_its_envelope(guest):
    guest.studio.faults(fault("session", "no_envelope"))
    answer = guest.post("/api/tasks/me/with-session/nemo_agent", json={"task_name": "project"}).json()
    assert "session_id" in answer


def test_a_dead_address_and_the_way_around_it(guest):
    render, url = finished(guest)
    guest.studio.faults(fault("cdn", "dead_url"))
    assert guest.studio.http.get(url).status_code == 404
    assert guest.get(f"/api/render/proxy/{render}/download").status_code == 200


@pytest.mark.parametrize("endpoint", ["download", "cdn"])
def test_downloads_that_go_wrong(guest, endpoint):
    render, url = finished(guest)
    path = url if endpoint == "cdn" else f"/api/render/proxy/{render}/download"
    whole = guest.get(path)
    guest.studio.faults(fault(endpoint, "short", share=0.5), fault(endpoint, "html"))
    received = b""
    with (
        pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)),
        guest.studio.http.stream("GET", path, headers={"Authorization": f"Bearer {guest.token}"}) as answer,
    ):
        assert answer.headers["content-length"] == str(len(whole.content))
        for piece in answer.iter_bytes():
            received += piece
    assert received == whole.content[: len(received)]
    assert len(received) <= len(whole.content) // 2
    page = guest.get(path)
    assert (page.status_code, page.headers["content-type"].partition(";")[0]) == (200, "text/html")
    assert guest.get(path).content == whole.content


def test_a_slow_download(guest):
    url = finished(guest)[1]
    size = len(guest.get(url).content)
    guest.studio.faults(fault("cdn", "slow", bytes_per_s=size * 2))
    begun = time.monotonic()
    assert len(guest.get(url).content) == size
    assert 0.3 < time.monotonic() - begun < allow(3)


def test_a_seed_makes_a_run_repeat_itself(guest):
    def run(seed):
        guest.studio.faults({"endpoint": "balance", "kind": "429", "probability": 0.4}, seed=seed)
        return [guest.get(BALANCE).status_code for _ in range(30)]

    first = run(7)
    assert run(7) == first
    assert run(8) != first
    assert 0 < first.count(429) < 30


def test_every_and_after(guest):
    guest.studio.faults({"endpoint": "*", "kind": "status", "every": 3, "after": 1})
    assert [guest.get(BALANCE).status_code for _ in range(8)] == [200, 200, 200, 503, 200, 200, 503, 200]


def test_a_table_that_makes_no_sense_is_refused(guest):
    for rules in ([{"endpoint": "moon", "kind": "reset"}], [{"endpoint": "cdn", "kind": "429", "counts": 1}]):
        answer = guest.studio.http.post("/_studio/faults", json={"seed": 0, "rules": rules})
        assert answer.status_code == 400
        assert "rules.0" in answer.json()["message"]


def test_a_table_from_a_file(start_studio, tmp_path):
    table = tmp_path / "faults.toml"
    table.write_text('seed = 1\n[[rules]]\nendpoint = "balance"\nkind = "429"\ncount = 1\n')
    guest = start_studio("--faults", str(table)).guest()
    assert [guest.get(BALANCE).status_code for _ in range(2)] == [429, 200]


def test_an_edit_that_lands_long_after_its_answer(guest):
    guest.studio.faults(fault("run_sse", "status", status=503, landed=True, lands_after_s=0.8))
    begun = time.monotonic()
    assert guest.run("add calm music").status_code == 503
    assert time.monotonic() - begun < allow(0.7), "the answer does not wait for the edit"
    assert guest.charges() == []
    while not guest.charges():
        assert time.monotonic() - begun < 10
        time.sleep(0.05)
    assert time.monotonic() - begun >= 0.8
    assert len(guest.state()["draft"]["t"]) == 2
