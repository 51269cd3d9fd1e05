"""Faults on request: a table of rules that says which calls go wrong, and how.

A rule names an endpoint (or `*`), a kind, and when it strikes: by `probability`, the first `count` calls, or
`every` n-th call, each after the first `after` calls. The first rule that strikes wins, and the rules after
it do not count that call. With the same `seed` and the same order of calls a run repeats itself.

What goes wrong, by kind:

=================  ==========================================================================================
`429`              rate limited, with `retry_after` (seconds), `retry_after_date` (an HTTP date) or neither
`status`           any 4xx or 5xx `status`, without an envelope
`timeout`          no answer for `hold_s`, then the connection drops
`reset`            the connection drops without an answer
`code`             an error `code` of api-contract 6, carried by `carrier`
`cut`              run_sse: the stream is cut in the middle
`stall`            run_sse: heartbeats alone for `hold_s`, then the stream is cut
`silent`           run_sse: the edit lands, no text follows
`noop`             run_sse: the text claims success, the draft is as it was
`question`         run_sse: the agent asks back; the next message completes the edit
`error_in_stream`  run_sse: HTTP 200, and the error inside the stream
`trailing_noise`   run_sse: "I encountered a temporary issue" after the replies
`failed_render`    render: the job will fail
`dead_render`      render: the job will never complete
`dead_url`         cdn: 404, though the render is complete
`short`            download, cdn: right Content-Length, then only `share` of the bytes
`html`             download, cdn: a 200 page of text/html
`slow`             download, cdn: `bytes_per_s`
`no_envelope`      session: the bare fields
`dialect`          run_sse: the stream in dialect `variant` ("a" or "b")
`shape`            render, status: the answer in shape `variant` ("top" or "data")
=================  ==========================================================================================

`landed` says whether the work is done although the answer goes wrong (`timeout`, `reset`, `status`, `cut`,
`stall`, `error_in_stream`). With `lands_after_s` an edit lands that many seconds after it began, long after
an answer that came at once (`status`, `reset`).
"""

from __future__ import annotations

import hashlib
import tomllib
from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from studio.errors import BadRequest

EndpointName = Literal[
    "token", "session", "run_sse", "upload", "balance", "state", "render", "status", "download", "cdn",
    "cancel", "claim",
]  # fmt: skip
Kind = Literal[
    "429", "status", "timeout", "reset", "code",
    "cut", "stall", "silent", "noop", "question", "error_in_stream", "trailing_noise", "dialect",
    "failed_render", "dead_render", "shape",
    "dead_url", "short", "html", "slow", "no_envelope",
]  # fmt: skip
_STREAM = frozenset({"run_sse"})
_BYTES = frozenset({"download", "cdn"})
BELONGS: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        ("cut", "stall", "silent", "noop", "question", "error_in_stream", "trailing_noise"), _STREAM
    ),
    **dict.fromkeys(("short", "html", "slow"), _BYTES),
    "failed_render": frozenset({"render"}),
    "dead_render": frozenset({"render"}),
    "dead_url": frozenset({"cdn"}),
    "no_envelope": frozenset({"session"}),
    "dialect": _STREAM,
    "shape": frozenset({"render", "status"}),
}
"""The endpoints at which a kind means something; a kind that is not named fits everywhere."""


class Fault(BaseModel):
    """One rule of the table; see the module for the kinds and their fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: EndpointName | Literal["*"]
    kind: Kind
    probability: float | None = Field(default=None, ge=0, le=1)
    count: int | None = Field(default=None, ge=0)
    every: int | None = Field(default=None, ge=1)
    after: int = Field(default=0, ge=0)

    landed: bool = False
    lands_after_s: float = Field(default=0.0, ge=0)
    status: int = Field(default=503, ge=400, le=599)
    code: Literal[400, 402, 1001, 1002, 2001, 4001, 4002] = 1002
    carrier: Literal["envelope", "status", "both", "stream"] = "envelope"
    retry_after: float | None = Field(default=None, ge=0)
    retry_after_date: bool = False
    hold_s: float = Field(default=5.0, ge=0)
    share: float = Field(default=0.5, ge=0, lt=1)
    bytes_per_s: int = Field(default=65_536, ge=1)
    variant: Literal["a", "b", "top", "data"] = "a"

    def fits(self, endpoint: str) -> bool:
        """Say whether the rule speaks of this endpoint."""
        here = self.endpoint in ("*", endpoint)
        return here and endpoint in BELONGS.get(self.kind, frozenset({endpoint}))

    def strikes(self, call: int, draw: float) -> bool:
        """Say whether the rule strikes at its `call`-th matching call (from 0); `draw` is 0 to 1."""
        nth = call - self.after
        if nth < 0:
            return False
        if self.count is not None and nth >= self.count:
            return False
        if self.every is not None and (nth + 1) % self.every:
            return False
        return self.probability is None or draw < self.probability


class FaultTable(BaseModel):
    """All the rules, tried in order, and the seed their probabilities are drawn from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    rules: tuple[Fault, ...] = ()


class Faults:
    """The table in force, how often each of its rules was asked, and how often each kind has struck."""

    def __init__(self, table: FaultTable) -> None:
        """Start with `table`; no rule has been asked yet."""
        self.replace(table)

    def replace(self, table: FaultTable) -> None:
        """Put another table in force, with all counts at zero."""
        self.table = table
        self.struck: Counter[str] = Counter()
        self._calls = [0] * len(table.rules)

    def pick(self, endpoint: str) -> Fault | None:
        """Answer the fault that strikes this call of an endpoint, or None."""
        for index, rule in enumerate(self.table.rules):
            if rule.fits(endpoint) and self._strikes(index, rule):
                self.struck[rule.kind] += 1
                return rule
        return None

    def _strikes(self, index: int, rule: Fault) -> bool:
        call = self._calls[index]
        self._calls[index] += 1
        return rule.strikes(call, chance(self.table.seed, index, call))


def chance(*parts: object) -> float:
    """Answer a number from 0 to 1 that depends on `parts` alone, the same in every run."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def load_faults(path: Path) -> FaultTable:
    """Read a table from a TOML or JSON file; a `BadRequest` names the file and the field."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return FaultTable.model_validate_json(text)
        return FaultTable.model_validate(tomllib.loads(text))
    except OSError as error:
        raise BadRequest(f"The faults file {path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise BadRequest(f"The faults file {path} is wrong: {first_problem(error)}") from error
    except ValueError as error:
        raise BadRequest(f"The faults file {path} is no TOML or JSON: {error}.") from error


def first_problem(error: ValidationError) -> str:
    """Say in one line the most telling problem: an unknown field, else the first one."""
    problems = error.errors(include_url=False, include_input=False)
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    problem = (unknown or problems)[0]
    where = ".".join(str(part) for part in problem["loc"]) or "body"
    what = "unknown field" if unknown else problem["msg"]
    return f"{where}: {what}."
