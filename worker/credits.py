"""Credits of a job: looked at and set aside before an edit is paid, and counted afterwards."""

from jobs.model import InstructionStatus
from nemovideo import NemoVideoError
from worker.agent_text import Action
from worker.context import Context
from worker.errors import BudgetReached, FileBudget


def reserve_credits(ctx: Context) -> None:
    """Look at the balance and the budgets before a paid call, and set its price aside.

    Raises:
        FileBudget: the file's own limit does not allow it.
        OutOfCredits: the account has less than an edit costs.
        BudgetReached: the run's limit does not allow it.
    """
    spec, point = ctx.job.spec, ctx.checkpoint
    price, edit_price = price_of(ctx, point.current), ctx.settings.edit_credits
    paid = sum(
        price_of(ctx, number) + one.follow_ups * edit_price
        for number, one in enumerate(point.instructions[: point.current])
        if one.action == Action.EDIT
    )
    if ctx.instruction.follow_ups:  # the instruction itself was paid
        paid, price = paid + price + (ctx.instruction.follow_ups - 1) * edit_price, edit_price
    if spec.max_credits is not None and paid + price > spec.max_credits:
        raise FileBudget(
            f"{spec.max_credits} credits are allowed for this file; its next edit would exceed them"
        )
    balance = ctx.client.afford(price, ctx.session_id())
    reserved, spending = ctx.limits.budget.reserve(ctx.job.id, price, balance.available)
    if not reserved:
        raise BudgetReached(f"another edit would exceed the budget of {spending.limit or 0:.0f} credits")
    if point.credits_before is None:
        alone = spending.aside <= price
        ctx.stage(credits_before=balance.available, edits_before=spending.edits if alone else None)


def price_of(ctx: Context, number: int) -> int:
    """Return the credits of an instruction: the first of a job without a file makes the video too."""
    spec = ctx.job.spec
    makes_video = spec.is_from_words and spec.parent is None and number == 0
    return ctx.settings.create_credits if makes_video else ctx.settings.edit_credits


def record_spending(ctx: Context) -> None:
    """Note what the account has after the job's edits, and what this job spent, if the service answers.

    It is the balance's difference if nobody else was edited meanwhile; else no balance can tell, and it is
    the price of its edits.
    """
    point = ctx.checkpoint
    if point.credits_before is None or point.credits_spent is not None:
        return
    sent = sum(max(one.attempts, 1 + one.follow_ups) for one in point.instructions if one.attempts)
    alone = point.edits_before is not None and (
        ctx.limits.budget.spending().edits - point.edits_before == sent - 1
    )
    if not alone:
        spent = 0
        for number, one in enumerate(point.instructions):
            # What is pending was refused, or was never sent; its follow-ups came after an edit that was paid.
            taken = one.attempts and one.status is not InstructionStatus.PENDING
            edits = one.follow_ups + (1 if taken else 0)
            spent += price_of(ctx, number) * min(edits, 1) + ctx.settings.edit_credits * max(edits - 1, 0)
        ctx.stage(credits_spent=float(spent))
        return
    try:
        after = ctx.client.balance().available
    except NemoVideoError:
        return
    ctx.stage(credits_after=after, credits_spent=point.credits_before - after)
