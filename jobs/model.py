"""A job: one source, its instructions in order, a skill (design, "A job")."""

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
    """A reason for which no call of a kind makes sense now (design, "Gates and limits")."""

    RATE = "rate"
    CREDITS = "credits"
    PLAN = "plan"
    AUTH = "auth"
    DISK = "disk"
    BUDGET = "budget"
    PAUSED = "paused"


PERSONAL = frozenset({Gate.CREDITS, Gate.PLAN, Gate.AUTH, Gate.PAUSED, Gate.BUDGET})
"""Gates that only a person opens; a run with ``--once`` does not wait for them."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    def evolve(self, **changes: Any) -> Self:
        """A copy with these fields changed."""
        return self.model_copy(update=changes)


class Spec(_Frozen):
    """What was asked for; never changes once the job is submitted."""

    source: str  # an absolute path, an object (s3://bucket/key), or a URL
    root: str  # the watched folder it was found in; "" for a URL or a single file
    output: str  # path of the MP4 to deliver, as claimed in the ledger
    result: str  # path of its result file
    skill: str
    instructions: tuple[str, ...]
    fingerprint: str
    prepared: str = ""  # absolute path of what is sent in its place: the source shrunk or converted
    size_bytes: int = 0
    duration_s: float | None = None
    mtime_ns: int = 0
    etag: str = ""  # of an object: the version that was taken in
    priority: int = 0  # > 0: waits behind hand-dropped files (a backlog)
    language: str | None = None
    max_credits: int | None = None
    session_group: str | None = None  # files of one group share a session, one after the other
    parent: str | None = None  # the job whose session and timeline this one goes on with (`orders.tweak`)
    created: float = 0.0

    @property
    def is_url(self) -> bool:
        """Whether the source is fetched by the service itself."""
        return self.source.startswith(("http://", "https://"))

    @property
    def name(self) -> str:
        """The source's bare name, for logs and messages: no folder, no query of a URL (often a secret)."""
        return PurePath(urlsplit(self.source).path if self.is_url else self.source).name


class SessionRef(_Frozen):
    """The editing session a job works in."""

    session_id: str
    task_id: str | None = None
    user_id: str | None = None


class UploadRef(_Frozen):
    """What the service took in."""

    sha256: str = ""
    size_bytes: int = 0
    filename: str = ""


class TurnStatus(StrEnum):
    """How far an instruction is; ``sending`` is written before its first byte leaves (invariant 3)."""

    PENDING = "pending"
    SENDING = "sending"
    CLOSED = "closed"
    LANDED = "landed"
    SKIPPED = "skipped"


class Turn(_Frozen):
    """One instruction of a job and what became of it."""

    instruction: str
    action: str = "edit"
    status: TurnStatus = TurnStatus.PENDING
    before: str | None = None  # digest of the draft before the instruction was sent
    reads: int = 0  # how often the state was read back after the stream was lost
    follow_ups: int = 0
    texts: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    note: str = ""  # why the outcome is not known, or what the agent reported, for the person
    lost: bool = False  # its stream was lost: the timeline is read more patiently
    refused: bool = False  # its stream ended in a refusal after it had begun: read back, then sent again


class RenderRef(_Frozen):
    """A render, by the id we chose for it before it was submitted."""

    render_id: str
    polls: int = 0
    unchanged: int = 0
    progress: float = 0.0
    status: str = ""
    url: str | None = None
    renewed: int = 0  # how often a failed render got a new id
    submitted: float = 0.0  # when it was sent, and when it was last found unfinished, by the ledger's clock
    looked: float = 0.0
    moved: float = 0.0  # since when its progress is what it was at the last look


class StepRecord(_Frozen):
    """One line of a result's ``steps``; times are seconds since the epoch."""

    step: Step
    started: float
    ended: float
    attempts: int


class Problem(_Frozen):
    """Why a job is not done: for the person, and for ``retry --class``."""

    code: int | None = None
    kind: str = ""
    message: str = ""
    advice: str = ""


class Checkpoint(_Frozen):
    """All that the steps have reached so far; what a later worker begins with."""

    session: SessionRef | None = None
    sessions: int = 0  # how many were opened: a lost one is replaced, but not for ever
    moved: bool = False  # what was edited is rendered in another session: the first was lost
    upload: UploadRef | None = None
    before_upload: str = ""  # digest of the draft that lay on a shared timeline before the upload
    turns: tuple[Turn, ...] = ()
    turn: int = 0
    before_draft: dict[str, Any] | None = None  # the draft before the turn in work, to say what changed
    draft: dict[str, Any] | None = None  # the draft to render, exactly as the service gave it
    summary: str = ""
    render: RenderRef | None = None
    sha256: str = ""
    size_bytes: int = 0
    duration_s: float | None = None
    credits_before: float | None = None
    credits_after: float | None = None
    credits_spent: float | None = None
    edits_before: int | None = None  # edits of all jobs when this one began its first; None = not alone then


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the ledger holds it."""

    id: str
    spec: Spec
    state: State
    step: Step
    epoch: int
    attempts: int
    crashes: int
    until: float
    begun: bool
    reason: str
    checkpoint: Checkpoint
    steps: tuple[StepRecord, ...]
    problem: Problem | None
    started: float
    updated: float
    lapsed: float = 0.0  # when the lease of a holder that died ended; 0 when this one took over from nobody

    def evolve(self, **changes: Any) -> "Job":
        """A copy with these fields changed."""
        return replace(self, **changes)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen unless a person asks for it."""
        return self.state in ENDED


def identity(fingerprint: str, instructions: tuple[str, ...], skill: str, again: str = "") -> str:
    """The job's id: the same source, instructions and skill are the same job (design, "A job")."""
    text = "\0".join((fingerprint, skill, again, *instructions))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
