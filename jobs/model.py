"""A job: one source, its instructions in order, and a skill."""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePath
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict


class Step(StrEnum):
    """Where a job is."""

    UPLOAD = "upload"
    EDIT = "edit"
    VERIFY = "verify"
    RENDER = "render"
    POLL = "poll"
    DOWNLOAD = "download"


class State(StrEnum):
    """How a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PARKED = "parked"
    UNCONFIRMED = "unconfirmed"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({State.UNCONFIRMED, State.DONE, State.FAILED, State.CANCELLED})
ACTIVE = frozenset({State.QUEUED, State.RUNNING, State.WAITING})


class Gate(StrEnum):
    """A reason for which no call of a kind makes sense now."""

    RATE = "rate"
    CREDITS = "credits"
    PLAN = "plan"
    AUTH = "auth"
    DISK = "disk"
    SOURCE = "source"
    BUDGET = "budget"
    PAUSED = "paused"


PERSONAL = frozenset({Gate.CREDITS, Gate.PLAN, Gate.AUTH, Gate.PAUSED, Gate.BUDGET})
"""Gates that only a person opens; a run with ``--once`` does not wait for them."""

LIMITED = {
    Step.UPLOAD: "upload",
    Step.EDIT: "edit",
    Step.RENDER: "render",
    Step.POLL: "render",
    Step.DOWNLOAD: "download",
}
"""The kind of work in flight that a step counts as; a verify counts as none."""

FROM_WORDS = "text://"
"""What the source of a job without a file begins with; the rest is what the video is to show."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    def evolve(self, **changes: Any) -> Self:
        """Return a copy with these fields changed."""
        return self.model_copy(update=changes)


SOURCE_GONE = "source_gone"
"""The code of the problem of a job whose file is no longer where it was."""

STALE_CODES = frozenset({SOURCE_GONE, "source_changed", "source_denied"})
"""Ends of a job that speak of its file alone: with the file back as it should be, the job goes on."""


class JobSpec(_Frozen):
    """What was asked for; never changes once the job is submitted. Little of it is kept when it is done."""

    source: str  # an absolute path, an object (s3://bucket/key), a URL, or words (text://a calm morning)
    root: str = ""  # the watched folder it was found in; "" for a URL or a single file
    output: str = ""  # path of the MP4 to deliver, as claimed in the ledger
    result: str = ""  # path of its result file
    skill: str = ""
    instructions: tuple[str, ...] = ()
    fingerprint: str = ""
    prepared: str = ""  # absolute path of what is sent in its place: the source shrunk or converted
    size_bytes: int = 0
    duration_s: float | None = None
    mtime_ns: int = 0
    etag: str = ""  # of an object: the version that was taken in
    backlog: bool = False  # waits behind files that were dropped by hand
    language: str | None = None
    max_credits: int | None = None
    session_group: str | None = None  # files of one group share a session, one after the other
    preview: bool = False  # a first look: rendered small and fast, where the service can
    exports: tuple[str, ...] = ()  # what is made of the music beside the output: stems, midi, wav
    parent: str | None = None  # the job whose session and timeline this one goes on with (`control.tweak`)
    created: float = 0.0

    @property
    def is_url(self) -> bool:
        """Whether the source is fetched by the service itself."""
        return self.source.startswith(("http://", "https://"))

    @property
    def is_from_words(self) -> bool:
        """Whether there is no file: the service makes the video too."""
        return self.source.startswith(FROM_WORDS)

    @property
    def name(self) -> str:
        """The source's bare name, for logs and messages."""
        return display_name(self.source)

    def shorten(self) -> "JobSpec":
        """Keep what a job that is done must still be known by."""
        kept = {"source", "output", "result", "session_group", "parent", "preview", "exports"}
        return JobSpec(**self.model_dump(include=kept))


def display_name(source: str) -> str:
    """Return a source's bare name: no folder, and no query of a URL, which is often a secret."""
    if source.startswith(FROM_WORDS):
        return source.removeprefix(FROM_WORDS)
    is_url = source.startswith(("http://", "https://"))
    return PurePath(urlsplit(source).path if is_url else source).name


class SessionRef(_Frozen):
    """The editing session a job works in."""

    session_id: str
    task_id: str | None = None
    user_id: str | None = None
    idempotent: bool = False  # the service charges an edit with a known key only once
    file_handover: bool = False  # the studio takes and gives files by links in its own folder
    backend: str = ""  # "local" or "cloud": only that one knows the session


class UploadRef(_Frozen):
    """What the service took in."""

    sha256: str = ""
    size_bytes: int = 0
    filename: str = ""


class InstructionStatus(StrEnum):
    """How far an instruction is; ``sending`` is on disk before its first byte leaves."""

    PENDING = "pending"
    SENDING = "sending"
    CLOSED = "closed"
    LANDED = "landed"
    SKIPPED = "skipped"


class InstructionState(_Frozen):
    """One instruction of a job and what became of it."""

    text: str
    action: str = "edit"
    status: InstructionStatus = InstructionStatus.PENDING
    before: str | None = None  # digest of the draft before the instruction was sent
    attempts: int = 0  # how often it was sent
    reads: int = 0  # how often the state was read back while the outcome was unknown
    follow_ups: int = 0
    replies: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    note: str = ""  # why the outcome is not known, or what the agent reported, for a person
    stream_lost: bool = False  # the timeline is read more patiently
    doing: str = ""  # what the agent did when "still working" was last said, in plain words
    max_attempts: int = 0  # how often it may be sent in all, once every look has shown that it was not taken


class RenderRef(_Frozen):
    """A render, by the id we chose for it before it was submitted."""

    render_id: str
    polls: int = 0
    unchanged: int = 0  # polls since its progress last moved
    progress: float = 0.0
    status: str = ""
    url: str | None = None
    renewed: int = 0  # how often a failed or lost render got a new id
    moved: float = 0.0  # ledger time at which its progress last changed


class StepRecord(_Frozen):
    """One line of a result's ``steps``; times are seconds since the epoch."""

    step: Step
    started: float
    ended: float
    attempts: int


class Problem(_Frozen):
    """Why a job is not done: for the person, and for ``retry --class``."""

    code: str = ""
    service_code: int | None = None
    message: str = ""
    advice: str = ""


class Checkpoint(_Frozen):
    """All that the steps have reached so far; what a later worker begins with."""

    session: SessionRef | None = None
    sessions: int = 0  # how many were opened: a lost one is replaced, but not for ever
    rehomed: bool = False  # what was edited is rendered in another session: the first was lost
    restored: bool = False  # it was delivered once, and its output is made again without a new edit
    upload: UploadRef | None = None
    before_upload: str = ""  # digest of the draft that lay on a shared timeline before the upload
    after_upload: str = ""  # digest of the draft right after the upload, while it had no music
    instructions: tuple[InstructionState, ...] = ()
    current: int = 0
    before_draft: dict[str, Any] | None = (
        None  # the draft before the current instruction, to say what changed
    )
    draft: dict[str, Any] | None = None  # the draft to render, exactly as the service gave it
    summary: str = ""
    render: RenderRef | None = None
    sha256: str = ""
    size_bytes: int = 0
    duration_s: float | None = None
    exports: tuple[str, ...] = ()  # paths of what was delivered beside the output
    credits_before: float | None = None
    credits_after: float | None = None
    credits_spent: float | None = None
    edits_before: int | None = (
        None  # edits of all jobs when this one began its first; None = it was not alone
    )


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the ledger holds it."""

    id: str
    spec: JobSpec
    state: State
    step: Step
    fence: str
    attempts: int
    crashes: int
    until: float
    reason: str
    checkpoint: Checkpoint
    steps: tuple[StepRecord, ...]
    problem: Problem | None
    started: float
    updated: float
    lapsed: float = 0.0  # when the lease of a worker that died ended; 0 when this one took over from nobody

    def evolve(self, **changes: Any) -> "Job":
        """Return a copy with these fields changed."""
        return replace(self, **changes)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen unless a person asks for it."""
        return self.state in ENDED


def job_id_for(fingerprint: str, instructions: tuple[str, ...], skill: str, again: str = "") -> str:
    """Return the id of a job: the same source, instructions and skill are the same job."""
    text = "\0".join((fingerprint, skill, again, *instructions))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
