"""What a step can find wrong by itself; what the service says is in `nemo.errors`.

StepError
├── SourceGone        the file is no longer where it was
├── SourceChanged     the file is not the one that was submitted
├── NothingChanged    the agent closed its stream and the timeline is as before
├── AgentAsked        the agent asked a question instead of editing, and the follow-up did not help
├── AgentFailed       the agent reported an error and changed nothing
├── NoMusic           music was asked for, and no audio track came
├── NothingToRender   the timeline is empty
├── RenderStalled     a render no longer moves
├── OutputBroken      what was downloaded is not a playable video
├── OutboxBroken      the outbox cannot be written
├── OutboxAway        the store that holds the outbox does not answer
├── SourceDenied      the store that holds the source refuses us
├── SourceAway        the store that holds the source does not answer
├── VersionGone       the session of the version to be changed is forgotten
├── DiskFull          the outbox has no room; nothing half-written is left
├── Crashed           the workers that held this job died, again and again
├── BudgetReached     another edit would exceed the budget (``--max-credits``)
├── FileBudget        the file's own ``max_credits`` does not allow its instructions
└── InternalError     a fault of this program
"""

from typing import ClassVar


class StepError(Exception):
    """Root: ``str()`` is what happened, ``advice`` what a person can do."""

    advice: ClassVar[str] = "Look at the log, then: dropscore retry JOB"


class SourceGone(StepError):
    """The source is missing or unreadable."""

    advice = "Put the file back and run again."


class SourceChanged(StepError):
    """The source was written to after it was taken in."""

    advice = "Nothing to do: the changed file is taken in as new work."


class NothingChanged(StepError):
    """The edit left the timeline as it was."""

    advice = "Say more exactly what you want (such as 'add calm background music'), then run again."


class AgentAsked(StepError):
    """The agent wants to know something."""

    advice = "Answer its question in the instruction, then run again."


class AgentFailed(StepError):
    """The agent reported an error inside its stream."""

    advice = "Nothing is sent twice by itself. To send it again: dropscore retry JOB"


class NoMusic(StepError):
    """Music was asked for and there is none; such a timeline is not rendered."""

    advice = "Say more exactly which music you want, then run again."


class NothingToRender(StepError):
    """No track of the timeline has a segment."""

    advice = "Check that the file holds a picture or a sound, then: dropscore retry JOB"


class RenderStalled(StepError):
    """The render did not end within the polls that were allowed."""

    advice = "The render may still end: dropscore retry JOB asks for it again and pays nothing."


class OutputBroken(StepError):
    """The downloaded file was refused by the check; it was not delivered."""

    advice = "dropscore retry JOB fetches it again and pays nothing."


class OutboxBroken(StepError):
    """The outbox refuses to be written."""

    advice = "Make the folder writable, then: dropscore retry JOB (pays nothing)."


class OutboxAway(StepError):
    """The bucket of the outbox cannot be reached at the moment."""

    advice = "See that the store answers, then: dropscore retry JOB (pays nothing)."


class SourceDenied(StepError):
    """The credentials of this worker do not open the source."""

    advice = "Mend the credentials (AWS_ACCESS_KEY_ID …) or the rights, then: dropscore retry JOB"


class SourceAway(StepError):
    """The bucket of the source cannot be reached at the moment."""

    advice = "See that the store answers, then: dropscore retry JOB"


class VersionGone(StepError):
    """A tweak goes on with a timeline that is no more; nothing was sent, and nothing paid."""

    advice = "Give the file all its instructions at once, the new one last; it is edited anew then."


class DiskFull(StepError):
    """There is no room for the output."""

    advice = "Make room in the outbox; the files go on by themselves."


class Crashed(StepError):
    """A poison job: each worker that took it ended without a word."""

    advice = "Check memory and the log, then: dropscore retry JOB"


class BudgetReached(StepError):
    """The run's budget is used up; the files keep their place."""

    advice = "Run again with a larger --max-credits; what was done is not paid again."


class FileBudget(StepError):
    """The file's own limit is too low for what is asked of it."""

    advice = "Raise max_credits in its sidecar, or ask for less; nothing was paid for this instruction."


class InternalError(StepError):
    """An error nobody foresaw."""

    advice = "Please report it with the log, then: dropscore retry JOB"
