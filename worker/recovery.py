"""What is done when the service has forgotten the session (1002; api-contract 6)."""

from jobs.model import Step, TurnStatus
from jobs.orders import SESSION_GONE
from nemo.errors import SessionNotFound
from worker.context import Context
from worker.outcome import Advance, Outcome, Unconfirmed
from worker.shared import forget
from worker.steps.upload import open_and_fill

MAX_SESSIONS = 4

_GONE = "The editing session is gone"
_RESEND = "'dropscore retry JOB --resend' begins anew, which is charged again."


def without_session(ctx: Context, lost: SessionNotFound) -> Outcome:
    """Go on after a lost session: what was not paid begins anew, what was paid is rendered elsewhere.

    Raises ``lost`` when sessions are lost again and again.
    """
    point = ctx.point
    forget(ctx)
    if point.sessions >= MAX_SESSIONS:
        raise lost
    turns = [turn for turn in point.turns if turn.status is not TurnStatus.SKIPPED]
    if all(turn.status is TurnStatus.PENDING for turn in turns):
        anew = tuple(turn.evolve(before=None) for turn in point.turns)  # another session, another timeline
        ctx.keep(session=None, upload=None, turns=anew)
        return Advance(Step.UPLOAD)
    if any(turn.status is not TurnStatus.LANDED for turn in turns) or point.draft is None:
        return Unconfirmed(
            f"{_GONE}, and a paid instruction can no longer be read back.", _RESEND, SESSION_GONE
        )
    ctx.keep(session=None, upload=None, render=None, moved=True)
    open_and_fill(ctx)  # the stored draft is rendered in a new session; if that is refused, a person decides
    return Advance(Step.RENDER)
