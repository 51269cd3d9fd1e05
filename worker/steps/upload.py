"""Upload: a session, and the source in it."""

from jobs.model import InstructionState, Step
from worker.agent_text import route
from worker.context import Context
from worker.delivery import ensure_room
from worker.errors import VersionGone
from worker.outcome import Advance, Outcome
from worker.sessions import ensure_session_and_upload, note_timeline
from worker.sources import check_source


def upload(ctx: Context) -> Outcome:
    """Open a session and send the source; what is already there is not sent again (api-contract 2.2, 2.4).

    Raises SourceGone, SourceChanged, SourceDenied, SourceAway, ExportsRefused, VersionGone (a tweak needs the
    very session), and what the client raises.
    """
    spec = ctx.job.spec
    if spec.parent is not None and ctx.checkpoint.session is None:
        raise VersionGone("The editing session is gone, and the version to be changed went with it.")
    if not (spec.is_url or spec.is_from_words) and ctx.checkpoint.upload is None:
        check_source(spec)
    ensure_room(ctx.job, ctx.settings)
    if not ctx.checkpoint.instructions:
        instructions = (InstructionState(text=text, action=route(text).value) for text in spec.instructions)
        ctx.stage(instructions=tuple(instructions))
    ensure_session_and_upload(ctx)
    note_timeline(ctx)
    return Advance(Step.EDIT)
