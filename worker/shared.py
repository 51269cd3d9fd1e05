"""A session that several files share; the timeline in it is one file's at a time (api-contract 7)."""

from jobs.model import SessionRef, Step
from nemo.errors import SessionNotFound
from worker.context import Context

_IN_SESSION = frozenset({Step.UPLOAD, Step.EDIT, Step.VERIFY, Step.RENDER})
_ON_TIMELINE = frozenset({Step.EDIT, Step.VERIFY})


def in_turn(ctx: Context) -> bool:
    """Whether the step may run: always, but for a job of a group whose session another one uses.

    Raises SessionNotFound when the timeline went on to another file while this job had ended (a person
    retries it): what is said to a session that was lost holds here too.
    """
    group, step = ctx.job.spec.session_group, ctx.job.step
    if group is None or step not in _IN_SESSION:
        return True
    if not ctx.limits.groups.take(group, ctx.job.id):
        return False
    if step in _ON_TIMELINE and not ctx.limits.groups.owns(group, ctx.job.id):
        raise SessionNotFound("The session of this folder has gone on to another file.")
    return True


def known_session(ctx: Context) -> SessionRef | None:
    """The session the job's group works in already, if any."""
    group = ctx.job.spec.session_group
    return ctx.limits.groups.session(group) if group else None


def take_over(ctx: Context, session: SessionRef | None) -> None:
    """Make the timeline of the group's session this job's: it uploads now."""
    group = ctx.job.spec.session_group
    if group and session:
        ctx.limits.groups.use(group, ctx.job.id, session)


def forget(ctx: Context) -> None:
    """The service has forgotten the job's session; its group needs another."""
    if ctx.job.spec.session_group:
        ctx.limits.groups.forget(ctx.job.spec.session_group, ctx.job.id)
