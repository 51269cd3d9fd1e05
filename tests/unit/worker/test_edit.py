"""The one step that pays: in which order, and what is never sent again."""

from types import SimpleNamespace
from typing import Any

import pytest

import nemovideo
from jobs.model import Checkpoint, InstructionState, InstructionStatus, SessionRef, Step
from nemovideo import Draft, EditReply
from tests.unit.worker.conftest import Claim
from worker.context import Context
from worker.errors import BudgetReached, FileBudget
from worker.outcome import Advance, Reschedule, Unconfirmed
from worker.steps.edit import FOLLOW_UP, MAX_SENDS_AFTER_FAILURE, edit

BEFORE = {"t": [{"tt": 0, "sg": [{"d": 1000}]}], "d": 1000}
AFTER = {"t": [*BEFORE["t"], {"tt": 1, "sg": [{"d": 1000}]}], "d": 1000}  # type: ignore[misc]  # a list, as above


class Service:
    """A service that answers an edit in one way, and writes down what was asked of it and in which order."""

    def __init__(self, answer: EditReply | Exception | None = None, *, available: float = 1000) -> None:
        self.answer = answer or reply()
        self.available = available
        self.draft: dict[str, Any] = BEFORE
        self.calls: list[str] = []
        self.texts: list[str] = []
        self.recorded: list[InstructionStatus] = []
        self.ctx: Context | None = None

    def state(self, _session_id: str) -> Any:
        self.calls.append("state")
        return SimpleNamespace(draft=Draft(self.draft))

    def afford(self, _credits: float, _session_id: str) -> Any:
        self.calls.append("balance")
        return SimpleNamespace(available=self.available)

    def balance(self) -> Any:
        return SimpleNamespace(available=self.available)

    def refusal(self, code: int, _session_id: str) -> Exception:
        return nemovideo.OutOfCredits() if code == 2001 else nemovideo.BadRequest()

    def edit(self, _session_id: str, text: str, **_: Any) -> EditReply:
        assert self.ctx is not None
        self.calls.append("edit")
        self.texts.append(text)
        job = self.ctx.lease.ledger.get("j1")
        self.recorded.append(job.checkpoint.instructions[0].status)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def reply(**changes: Any) -> EditReply:
    fields: dict[str, Any] = {"texts": ("Done.",), "error": None}
    return SimpleNamespace(**fields | changes)  # type: ignore[return-value]  # as much of it as a step reads


def at_edit(claim: Claim, service: Service, **changes: Any) -> Context:
    one = InstructionState(text="add calm music and export it").evolve(**changes)
    checkpoint = Checkpoint(session=SessionRef(session_id="s"), instructions=(one,))
    service.ctx = claim(Step.EDIT, service, checkpoint=checkpoint)
    return service.ctx


def aside(ctx: Context) -> float:
    return ctx.limits.budget.spending().aside


def test_it_is_recorded_as_sent_before_the_first_byte_leaves(claim: Claim) -> None:
    service = Service()
    ctx = at_edit(claim, service)
    assert edit(ctx) == Advance(Step.VERIFY, paid=True)
    assert service.calls == ["state", "balance", "edit"]
    assert service.recorded == [InstructionStatus.SENDING]
    assert service.texts == ["add calm music"]
    assert ctx.instruction.status is InstructionStatus.CLOSED


@pytest.mark.parametrize(
    "error",
    [nemovideo.StreamLost(), nemovideo.StreamTimeout(), nemovideo.StreamStopped(),
     nemovideo.ServerError(service_code=503, outcome_unknown=True),
     nemovideo.BadAnswer(outcome_unknown=True)],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_an_unknown_outcome_is_read_back_and_the_message_stays_sent(claim: Claim, error: Exception) -> None:
    service = Service(error)
    ctx = at_edit(claim, service)
    assert isinstance(edit(ctx), Reschedule)
    assert ctx.instruction.status is InstructionStatus.SENDING
    assert aside(ctx) == 50
    service.draft = AFTER
    assert edit(ctx) == Advance(Step.VERIFY, paid=True)
    assert service.calls.count("edit") == 1


@pytest.mark.parametrize(("error", "sent"), [
    (nemovideo.StreamLost(), 1),
    (nemovideo.ServerError(service_code=504, outcome_unknown=True), 1),
    (nemovideo.ServerError(service_code=500, outcome_unknown=True), MAX_SENDS_AFTER_FAILURE),
], ids=["stream lost", "504", "500"])  # fmt: skip
def test_a_timeline_that_never_changes_ends_unconfirmed(claim: Claim, error: Exception, sent: int) -> None:
    service = Service(error)
    ctx = at_edit(claim, service)
    for _ in range(50):
        outcome = edit(ctx)
        if isinstance(outcome, Unconfirmed):
            break
    assert isinstance(outcome, Unconfirmed)
    assert "--resend" in outcome.advice
    assert service.calls.count("edit") == sent
    assert aside(ctx) == 0


@pytest.mark.parametrize("error", [nemovideo.NotSent(), nemovideo.RateLimited(), nemovideo.OutOfCredits()])
def test_a_refusal_leaves_it_pending_and_nothing_set_aside(claim: Claim, error: Exception) -> None:
    ctx = at_edit(claim, Service(error))
    with pytest.raises(type(error)):
        edit(ctx)
    assert ctx.instruction.status is InstructionStatus.PENDING
    assert aside(ctx) == 0


def test_a_refused_message_that_landed_all_the_same_is_not_sent_again(claim: Claim) -> None:
    service = Service(nemovideo.RateLimited())
    ctx = at_edit(claim, service)
    with pytest.raises(nemovideo.RateLimited):
        edit(ctx)
    service.draft, service.answer = AFTER, reply()
    assert edit(ctx) == Advance(Step.VERIFY, paid=True)
    assert service.calls.count("edit") == 1


def test_a_refusal_inside_the_stream_closes_its_gate_and_is_read_back(claim: Claim) -> None:
    service = Service(reply(error=SimpleNamespace(service_code=2001, message="no credits")))
    ctx = at_edit(claim, service)
    with pytest.raises(nemovideo.OutOfCredits):
        edit(ctx)
    assert ctx.instruction.status is InstructionStatus.SENDING


def test_a_follow_up_is_another_text(claim: Claim) -> None:
    service = Service()
    edit(at_edit(claim, service, follow_ups=1))
    assert service.texts == [FOLLOW_UP]


def test_an_edit_that_a_ledger_has_forgotten_is_seen_on_the_timeline(claim: Claim) -> None:
    service = Service()
    ctx = at_edit(claim, service)
    ctx.stage(after_upload=Draft(BEFORE).digest)
    service.draft = AFTER
    assert edit(ctx) == Advance(Step.VERIFY, paid=True)
    assert "edit" not in service.calls


def test_beyond_the_budget_nothing_is_sent(claim: Claim) -> None:
    service = Service()
    ctx = at_edit(claim, service)
    ctx.limits.budget.begin(49)
    with pytest.raises(BudgetReached):
        edit(ctx)
    assert "edit" not in service.calls
    assert aside(ctx) == 0


def test_beyond_the_file_s_own_budget_the_account_is_not_even_asked(claim: Claim) -> None:
    service = Service()
    ctx = at_edit(claim, service)
    ctx.lease.job = ctx.job.evolve(spec=ctx.job.spec.evolve(max_credits=49))
    with pytest.raises(FileBudget):
        edit(ctx)
    assert service.calls == ["state"]


def test_a_replay_to_a_service_that_charges_once_has_the_same_key(
    claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[str | None] = []
    service = Service(nemovideo.StreamLost())
    ctx = at_edit(claim, service)
    ctx.stage(session=SessionRef(session_id="s", idempotent=True))
    real = service.edit

    def send(session_id: str, text: str, **options: Any) -> EditReply:
        keys.append(options["idempotency_key"])
        return real(session_id, text, **options)

    monkeypatch.setattr(service, "edit", send)
    edit(ctx)
    service.answer = reply()
    assert edit(ctx) == Advance(Step.VERIFY, paid=True)
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert keys[0] is not None


def test_to_any_other_service_nothing_is_replayed(claim: Claim) -> None:
    service = Service(nemovideo.StreamLost())
    ctx = at_edit(claim, service)
    for _ in range(20):
        if isinstance(edit(ctx), Unconfirmed):
            break
    assert service.calls.count("edit") == 1
