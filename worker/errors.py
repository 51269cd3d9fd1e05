"""What a step can find wrong by itself; what the service answers is in `nemovideo.errors`.

StepError
├── SourceGone        the file is no longer where it was
├── SourceChanged     the file is not the one that was submitted
├── SourceDenied      the storage that holds the source refuses us
├── SourceAway        the disk or the bucket that holds the source is away
│   └── RootAway          the whole watched folder is
├── NothingChanged    the agent closed its stream and the timeline is as before
├── AgentAsked        the agent asked a question instead of editing, and the follow-up did not help
├── AgentFailed       the agent reported an error and changed nothing
├── NoMusic           music was asked for, and no audio track came
├── NothingToRender   the timeline is empty
├── RenderStalled     a render no longer moves
├── OutputBroken      what was downloaded is not a playable video
├── OutboxBroken      the outbox cannot be written
├── OutboxAway        the storage that holds the outbox does not answer
├── ExportsRefused    stems, MIDI or WAV were asked of a service that makes none
├── VersionGone       the session of the version to be changed is gone
├── TimelineGone      an output that is gone cannot be made again without a new edit
├── DiskFull          the outbox has no room; nothing half-written is left
├── Crashed           the workers that held this job died, again and again
├── BudgetReached     another edit would exceed the budget (``--max-credits``)
├── FileBudget        the file's own ``max_credits`` does not allow its instructions
└── InternalError     a fault of this program
"""

from typing import ClassVar


class StepError(Exception):
    """Root: ``str()`` is what happened, ``advice`` what a person can do, ``code`` never changes."""

    code: ClassVar[str] = "step_error"
    advice: ClassVar[str] = "Look at the log, then: dropscore retry JOB"


class SourceGone(StepError):
    """The source is missing or unreadable."""

    code = "source_gone"
    advice = "Put the file back; it goes on by itself, or with: dropscore retry JOB"


class SourceChanged(StepError):
    """The source was written to after it was taken in."""

    code = "source_changed"
    advice = "Nothing to do: the changed file is taken in as new work."


class SourceDenied(StepError):
    """The credentials of this worker do not open the source."""

    code = "source_denied"
    advice = "Correct the credentials (AWS_ACCESS_KEY_ID …) or the permissions, then: dropscore retry JOB"


class SourceAway(StepError):
    """The disk or the bucket of the source cannot be reached at the moment."""

    code = "source_away"
    advice = "Make sure that the folder or the bucket is there, then: dropscore retry JOB"


class RootAway(SourceAway):
    """The watched folder is missing or has nothing in it, or its bucket does not answer."""

    code = "root_away"
    advice = "Mount it again, or bring the bucket back; its files go on by themselves."

    def __init__(self, message: str, root: str = "") -> None:
        """``root`` is the folder: its gate closes, and files of other folders go on."""
        super().__init__(message)
        self.root = root


class NothingChanged(StepError):
    """The edit left the timeline as it was."""

    code = "nothing_changed"
    advice = "Say more exactly what you want (such as 'add calm background music'), then run again."


class AgentAsked(StepError):
    """The agent wants to know something."""

    code = "agent_asked"
    advice = "Answer its question in the instruction, then run again."


class AgentFailed(StepError):
    """The agent reported an error inside its stream."""

    code = "agent_failed"
    advice = "To send the instruction again, which is charged again: dropscore retry JOB --resend"


class NoMusic(StepError):
    """Music was asked for and there is none; such a timeline is not rendered."""

    code = "no_music"
    advice = "Say more exactly which music you want, then run again."


class NothingToRender(StepError):
    """No track of the timeline has a segment."""

    code = "nothing_to_render"
    advice = "Check that the file has a picture or a sound, then: dropscore retry JOB"


class RenderStalled(StepError):
    """The render did not move for too long."""

    code = "render_stalled"
    advice = "The render may still end: dropscore retry JOB asks for it again and pays nothing."


class OutputBroken(StepError):
    """The downloaded file was refused by the check; it was not delivered."""

    code = "output_broken"
    advice = "dropscore retry JOB renders it again and pays nothing."


class OutboxBroken(StepError):
    """The outbox refuses to be written."""

    code = "outbox_broken"
    advice = "Make the folder writable, then: dropscore retry JOB (pays nothing)."


class OutboxAway(StepError):
    """The outbox cannot be reached at the moment."""

    code = "outbox_away"
    advice = "Make sure that the folder or the bucket answers, then: dropscore retry JOB (pays nothing)."


class ExportsRefused(StepError):
    """The service makes no stems, MIDI or WAV files of its music; nothing was sent, and nothing paid."""

    code = "exports_refused"
    advice = (
        "Leave --stems, --midi and --wav (DROPSCORE_EXPORT) out, or use the local studio: --backend local"
    )


class VersionGone(StepError):
    """A tweak goes on with a timeline that no longer exists; nothing was sent, and nothing paid."""

    code = "version_gone"
    advice = "Give the file all its instructions at once, the new one last; it is edited from the start then."


class TimelineGone(StepError):
    """Nothing is left at the service that a delivered output could be made from again."""

    code = "timeline_gone"
    advice = "To edit it anew: dropscore redo JOB (with the cloud it is paid for again: --pay)"


class DiskFull(StepError):
    """There is no room for the output, or its disk takes no writes."""

    code = "disk_full"
    advice = "Make room in the outbox; the files go on by themselves."

    def __init__(self, message: str, path: str = "", needed_bytes: int = 0) -> None:
        """``path`` is the folder, which must have ``needed_bytes`` free before the files go on."""
        super().__init__(message)
        self.path = path
        self.needed_bytes = needed_bytes


class Crashed(StepError):
    """A poison job: each worker that took it died."""

    code = "crashed"
    advice = "Check memory and the log, then: dropscore retry JOB"


class BudgetReached(StepError):
    """The run's budget is used up; the files keep their place."""

    code = "budget_reached"
    advice = "Run again with a larger --max-credits; what was done is not paid again."


class FileBudget(StepError):
    """The file's own limit is too low for what is asked of it."""

    code = "file_budget"
    advice = "Raise max_credits in its sidecar, or ask for less; nothing was paid for this instruction."


class InternalError(StepError):
    """An error nobody foresaw."""

    code = "internal_error"
    advice = "Please report it with the log, then: dropscore retry JOB"
