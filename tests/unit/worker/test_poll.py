"""Polling: how often a render is looked at, when it is given up, and when it gets another id."""

import pytest

import nemovideo
from jobs.model import Checkpoint, RenderRef, SessionRef, Step
from nemovideo import Render, RenderStatus
from tests.conftest import Wall
from tests.unit.worker.conftest import Claim
from worker.context import Context
from worker.errors import RenderStalled
from worker.outcome import Advance, Reschedule
from worker.steps.poll import MAX_RENEWALS, PENDING_SHARE, poll, wait_for_poll_s

WORKING = Render("r1", RenderStatus.PROCESSING, 50.0, None, None)


class Renders:
    """A service that knows one render."""

    def __init__(self, answer: Render | Exception) -> None:
        self.answer = answer

    def render(self, _render_id: str) -> Render:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def at_poll(
    claim: Claim, answer: Render | Exception, *, render: RenderRef | None, **chosen: object
) -> Context:
    checkpoint = Checkpoint(session=SessionRef(session_id="s"), render=render)
    return claim(Step.POLL, Renders(answer), checkpoint=checkpoint, **chosen)


@pytest.mark.parametrize(
    ("backend", "polls", "least_s", "most_s"),
    [("local", 0, 0.22, 0.28), ("local", 10, 0.55, 0.7), ("local", 5_000, 0.9, 1.1),
     ("cloud", 0, 2.7, 3.3), ("cloud", 5, 9, 11.2), ("cloud", 5_000, 27, 33)],
)  # fmt: skip
def test_a_render_is_looked_at_soon_and_then_less_often(
    claim: Claim, backend: str, polls: int, least_s: float, most_s: float
) -> None:
    ctx = at_poll(claim, WORKING, render=None)
    object.__setattr__(ctx, "settings", type(ctx.settings)(DROPSCORE_BACKEND=backend))
    waits = [wait_for_poll_s(ctx, polls) for _ in range(100)]
    assert least_s <= min(waits) < max(waits) <= most_s


def test_a_finished_render_is_fetched_from_where_it_is(claim: Claim) -> None:
    done = Render("r1", RenderStatus.COMPLETED, 100.0, "http://cdn/x", None)
    ctx = at_poll(claim, done, render=RenderRef(render_id="r1"))
    assert poll(ctx) == Advance(Step.DOWNLOAD)
    assert ctx.checkpoint.render is not None
    assert ctx.checkpoint.render.url == "http://cdn/x"


def test_without_a_render_there_is_nothing_to_look_at(claim: Claim) -> None:
    assert poll(at_poll(claim, WORKING, render=None)) == Advance(Step.RENDER)


def test_a_failed_render_gets_one_more_id(claim: Claim) -> None:
    failed = Render("r1", RenderStatus.FAILED, 0.0, None, "no room")
    ctx = at_poll(claim, failed, render=RenderRef(render_id="r1"))
    assert poll(ctx) == Advance(Step.RENDER)
    assert ctx.checkpoint.render is not None
    assert (ctx.checkpoint.render.render_id != "r1", ctx.checkpoint.render.renewed) == (True, 1)
    with pytest.raises(nemovideo.RenderFailed, match=r"twice: no room"):
        poll(ctx)


def test_a_render_that_is_not_known_may_show_a_moment_later(claim: Claim) -> None:
    ctx = at_poll(claim, nemovideo.RenderNotFound(), render=RenderRef(render_id="r1"))
    with pytest.raises(nemovideo.RenderNotFound):
        poll(ctx)
    ctx.lease.job = ctx.job.evolve(attempts=2)
    assert poll(ctx) == Advance(Step.RENDER)
    assert ctx.checkpoint.render is not None
    assert ctx.checkpoint.render.render_id != "r1"


def test_a_render_that_is_lost_again_and_again_is_given_up(claim: Claim) -> None:
    lost = RenderRef(render_id="r1", renewed=MAX_RENEWALS)
    ctx = at_poll(claim, nemovideo.RenderNotFound(), render=lost)
    ctx.lease.job = ctx.job.evolve(attempts=2)
    with pytest.raises(nemovideo.RenderNotFound):
        poll(ctx)


def test_a_render_that_stands_still_is_given_up_after_its_time(claim: Claim, wall: Wall) -> None:
    ctx = at_poll(
        claim, WORKING, render=RenderRef(render_id="r1"), DROPSCORE_POLL_INTERVAL=10, DROPSCORE_MAX_POLLS=3
    )
    looks = 0
    with pytest.raises(RenderStalled, match=r"stands at 50 %"):
        while looks < 50:
            assert isinstance(poll(ctx), Reschedule)
            looks += 1
            wall.go(10)
    assert looks == 3


def test_a_render_that_moves_is_never_given_up_and_one_that_waits_has_more_time(
    claim: Claim, wall: Wall
) -> None:
    chosen = {"DROPSCORE_POLL_INTERVAL": 10, "DROPSCORE_MAX_POLLS": 3}
    ctx = at_poll(claim, WORKING, render=RenderRef(render_id="r1"), **chosen)
    renders = ctx.client
    assert isinstance(renders, Renders)
    for percent in range(40):
        renders.answer = Render("r1", RenderStatus.PROCESSING, float(percent), None, None)
        assert isinstance(poll(ctx), Reschedule)
        wall.go(10)
    renders.answer = Render("r1", RenderStatus.PENDING, 0.0, None, None)
    looks = 0
    with pytest.raises(RenderStalled):
        while looks < 100:
            poll(ctx)
            looks += 1
            wall.go(10)
    assert looks == 3 * PENDING_SHARE
