"""Render: submitted once, under an id that the ledger knows before the service does."""

from typing import Any

import pytest

from jobs.control import SESSION_GONE
from jobs.ledger import Ledger
from jobs.model import Checkpoint, RenderRef, SessionRef, Step
from nemovideo import Draft, Render, RenderStatus
from nemovideo.errors import BadRequest, DuplicateRender, RenderNotFound
from tests.unit.worker.conftest import Claim
from worker.context import Context
from worker.errors import NothingToRender
from worker.outcome import Advance, Unconfirmed
from worker.steps.render import render

READY: dict[str, Any] = {"d": 1000, "t": [{"tt": 0, "sg": [{"s": 0, "d": 1000}]}]}
PENDING = Render("r", RenderStatus.PENDING, 0.0, None, None)


class Service:
    """A service that notes what is submitted, and what the ledger knew at that moment."""

    def __init__(self, ledger: Ledger, *, known: bool = False, error: Exception | None = None) -> None:
        self.ledger, self.known, self.error = ledger, known, error
        self.submitted: list[tuple[str, bool]] = []

    def render(self, _render_id: str) -> Render:
        if not self.known:
            raise RenderNotFound
        return PENDING

    def submit_render(self, _session_id: str, render_id: str, _draft: Draft, **_: Any) -> Render:
        kept = self.ledger.get("j1").checkpoint.render
        self.submitted.append((render_id, kept is not None and kept.render_id == render_id))
        if self.error is not None:
            raise self.error
        return PENDING


def at_render(claim: Claim, service: Service, **changes: Any) -> Context:
    return claim(
        Step.RENDER,
        service,
        checkpoint=Checkpoint(session=SessionRef(session_id="s"), draft=READY).evolve(**changes),
    )


def test_its_id_is_in_the_ledger_before_it_is_submitted(claim: Claim, ledger: Ledger) -> None:
    service = Service(ledger)
    outcome = render(at_render(claim, service))
    assert isinstance(outcome, Advance)
    assert (outcome.step, outcome.after_s > 0) == (Step.POLL, True)
    assert [was_saved for _, was_saved in service.submitted] == [True]


@pytest.mark.parametrize("known", [True, False])
def test_one_that_may_have_arrived_is_asked_for_first(claim: Claim, ledger: Ledger, known: bool) -> None:
    service = Service(ledger, known=known)
    render(at_render(claim, service, render=RenderRef(render_id="r1")))
    assert service.submitted == ([] if known else [("r1", True)])


def test_a_duplicate_is_the_earlier_one(claim: Claim, ledger: Ledger) -> None:
    outcome = render(at_render(claim, Service(ledger, error=DuplicateRender())))
    assert isinstance(outcome, Advance)


def test_an_empty_timeline_is_not_rendered(claim: Claim, ledger: Ledger) -> None:
    service = Service(ledger)
    with pytest.raises(NothingToRender):
        render(at_render(claim, service, draft={"t": []}))
    assert service.submitted == []


def test_a_new_session_that_refuses_what_was_paid_is_for_a_person(claim: Claim, ledger: Ledger) -> None:
    refuses = Service(ledger, error=BadRequest())
    outcome = render(at_render(claim, refuses, rehomed=True))
    assert isinstance(outcome, Unconfirmed)
    assert outcome.code == SESSION_GONE


def test_a_refusal_in_the_session_itself_is_an_error(claim: Claim, ledger: Ledger) -> None:
    with pytest.raises(BadRequest):
        render(at_render(claim, Service(ledger, error=BadRequest())))
