"""Credits: set aside before, counted afterwards, and each file's own."""

from types import SimpleNamespace
from typing import Any

import pytest

import nemovideo
from jobs.model import Checkpoint, InstructionState, InstructionStatus, JobSpec, SessionRef, Step
from tests.unit.worker.conftest import Claim
from worker.context import Context
from worker.credits import record_spending, reserve_credits
from worker.errors import FileBudget


class Account:
    """An account with some credits, or one that does not answer."""

    def __init__(self, available: float, error: Exception | None = None) -> None:
        self.available, self.error = available, error

    def balance(self) -> Any:
        if self.error is not None:
            raise self.error
        return SimpleNamespace(available=self.available)

    def afford(self, price: float, _session_id: str) -> Any:
        if self.available < price:
            raise nemovideo.BalanceTooLow("too low")
        return self.balance()


def at_edit(claim: Claim, account: Account, *, max_credits: int | None = None, count: int = 1) -> Context:
    instructions = tuple(InstructionState(text=f"edit {number}") for number in range(count))
    checkpoint = Checkpoint(session=SessionRef(session_id="s"), instructions=instructions)
    spec = JobSpec(source="/in/a.mp4", instructions=("x",), max_credits=max_credits)
    return claim(Step.EDIT, account, checkpoint=checkpoint, spec=spec)


def send(ctx: Context) -> None:
    """Do as the edit step does when its stream has closed."""
    ctx.stage_instruction(status=InstructionStatus.CLOSED, attempts=ctx.instruction.attempts + 1)
    ctx.limits.budget.commit(ctx.job.id, paid=True)


def test_a_file_alone_is_told_what_the_account_lost(claim: Claim) -> None:
    account = Account(100)
    ctx = at_edit(claim, account)
    reserve_credits(ctx)
    assert ctx.limits.budget.spending().aside == 50
    send(ctx)
    account.available = 63  # a rebate, or another price: the balance knows better than we do
    record_spending(ctx)
    point = ctx.checkpoint
    assert (point.credits_before, point.credits_after, point.credits_spent) == (100, 63, 37)


def test_a_file_among_others_is_told_no_more_than_its_price(claim: Claim) -> None:
    account = Account(1000)
    ctx = at_edit(claim, account)
    ctx.limits.budget.reserve("another", 50)
    reserve_credits(ctx)
    send(ctx)
    account.available = 600
    record_spending(ctx)
    assert ctx.checkpoint.credits_spent == 50


def test_a_reservation_made_twice_counts_once(claim: Claim) -> None:
    ctx = at_edit(claim, Account(1000))
    reserve_credits(ctx)
    reserve_credits(ctx)
    spending = ctx.limits.budget.spending()
    assert (spending.aside, spending.edits) == (50, 1)


def test_a_balance_below_the_price_sets_nothing_aside(claim: Claim) -> None:
    ctx = at_edit(claim, Account(49))
    with pytest.raises(nemovideo.BalanceTooLow):
        reserve_credits(ctx)
    assert ctx.limits.budget.spending().aside == 0


@pytest.mark.parametrize(("max_credits", "allowed"), [(50, 1), (99, 1), (100, 2), (149, 2)])
def test_a_file_s_own_limit_counts_its_instructions_and_follow_ups(
    claim: Claim, max_credits: int, allowed: int
) -> None:
    ctx = at_edit(claim, Account(1000), max_credits=max_credits, count=4)
    for _ in range(allowed):
        reserve_credits(ctx)
        send(ctx)
        ctx.stage(current=ctx.checkpoint.current + 1)
    with pytest.raises(FileBudget):
        reserve_credits(ctx)


def test_a_follow_up_counts_as_an_edit_of_its_own(claim: Claim) -> None:
    ctx = at_edit(claim, Account(1000), max_credits=50)
    reserve_credits(ctx)
    send(ctx)
    ctx.stage_instruction(status=InstructionStatus.PENDING, follow_ups=1)
    with pytest.raises(FileBudget):
        reserve_credits(ctx)


def test_an_account_that_does_not_answer_is_no_reason_to_fail(claim: Claim) -> None:
    account = Account(100)
    ctx = at_edit(claim, account)
    reserve_credits(ctx)
    send(ctx)
    account.error = nemovideo.Unreachable()
    record_spending(ctx)
    assert (ctx.checkpoint.credits_before, ctx.checkpoint.credits_after) == (100, None)


def test_what_was_never_reserved_was_not_spent(claim: Claim) -> None:
    ctx = at_edit(claim, Account(100))
    record_spending(ctx)
    assert ctx.checkpoint.credits_spent is None


def refuse(ctx: Context) -> None:
    """Do as the edit step does when the message was not taken."""
    ctx.stage_instruction(status=InstructionStatus.PENDING, attempts=ctx.instruction.attempts + 1)
    ctx.limits.budget.commit(ctx.job.id, paid=False)


@pytest.mark.parametrize("others", [0, 1])
def test_an_edit_that_was_refused_cost_nothing_and_one_before_it_did(claim: Claim, others: int) -> None:
    account = Account(100)
    ctx = at_edit(claim, account, count=2)
    for number in range(others):
        ctx.limits.budget.reserve(f"another {number}", 50)
    reserve_credits(ctx)
    send(ctx)
    ctx.stage(current=1)
    account.available = 50
    reserve_credits(ctx)
    refuse(ctx)
    record_spending(ctx)
    assert ctx.checkpoint.credits_spent == 50
    assert ctx.checkpoint.credits_after == (50 if others == 0 else None)


def test_a_message_that_was_sent_again_after_a_refusal_counts_once(claim: Claim) -> None:
    ctx = at_edit(claim, Account(1000))
    ctx.limits.budget.reserve("another", 50)
    reserve_credits(ctx)
    refuse(ctx)
    reserve_credits(ctx)
    send(ctx)
    record_spending(ctx)
    assert ctx.checkpoint.credits_spent == 50


def test_a_video_from_words_and_its_follow_up_have_two_prices(claim: Claim) -> None:
    spec = JobSpec(source="text://a quiet lake", instructions=("x",))
    point = Checkpoint(session=SessionRef(session_id="s"), instructions=(InstructionState(text="x"),))
    ctx = claim(Step.EDIT, Account(1000), checkpoint=point, spec=spec)
    ctx.limits.budget.reserve("another", 50)
    reserve_credits(ctx)
    send(ctx)
    ctx.stage_instruction(status=InstructionStatus.PENDING, follow_ups=1)
    reserve_credits(ctx)
    send(ctx)
    record_spending(ctx)
    assert ctx.checkpoint.credits_spent == 150
