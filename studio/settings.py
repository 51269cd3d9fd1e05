"""What the studio is told when it starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, DirectoryPath, Field

DAY_S = 86_400.0

Dialect = Literal["a", "b", "mixed"]
RenderShape = Literal["top", "data", "mixed"]
Plan = Literal["free", "pro"]


class StudioSettings(BaseModel):
    """The studio's settings; every field is a flag of `python -m studio` too.

    `dialect` and `render_shape` choose between the variants of api-contract 3 and 2.8. `silent_share` is
    the part of the edits that end without a text (api-contract 3, rule 4), none unless a test
    asks for it. With the same `seed` the same file
    and instruction always behave alike.

    `music` is a folder of the user's own songs; without it, or where none of them suits, music is composed.

    With `simulate` nothing is looked at, composed or rendered: an edit takes 10 to 40 s, a render 30 to 90 s
    (api-contract 2), times `time_scale`, drawn by the file's name, and the upload is what comes back.

    With `requests_per_s` whoever asks more often is answered 429 with `Retry-After`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    root: Path = Path(".studio")
    """The folder that sessions, uploads and renders are kept in."""
    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = Field(default=0, ge=0, le=65_535)
    """The port to listen on; 0: any that is free."""
    public_url: str | None = None
    """How others reach it, if not by host and port."""
    seed: int = 0
    """With the same one the same file and instruction always behave alike."""

    credits: int = Field(default=100, ge=0)
    """What a new account begins with."""
    edit_price: int = Field(default=50, ge=0)
    """Credits an edit costs."""
    plan: Plan = "pro"
    """Free: renders are refused."""
    token_life_s: float = Field(default=7 * DAY_S, gt=0)
    """Seconds until a token expires."""
    tokens_per_ip: int = Field(default=10, ge=0)
    """Anonymous tokens an address gets a week."""

    think_s: float = Field(default=0.0, ge=0)
    """Seconds an edit waits before it begins, as the cloud's agent thinks."""
    simulate: bool = False
    """Look at nothing and render nothing: only take the time."""
    time_scale: float = Field(default=1.0, ge=0)
    """Makes the times of --simulate longer or shorter."""
    requests_per_s: float | None = Field(default=None, gt=0)
    """Answer 429 to an account that asks more often."""
    heartbeat_s: float = Field(default=5.0, gt=0)
    """Seconds between heartbeats of a stream."""
    silent_share: float = Field(default=0.0, ge=0, le=1)
    """The part of the edits that end without a text, as 0.3 of the cloud's do; for tests."""
    dialect: Dialect = "b"
    """The draft's spelling of keys."""
    render_shape: RenderShape = "mixed"
    """Where a render's fields stand in the answer."""
    session_envelope: bool = True
    """Wrap a new session in an envelope."""

    max_file_bytes: int = Field(default=500 * 1024 * 1024, gt=0)
    """The largest upload."""
    allow_private_urls: bool = False
    """Fetch uploads from private addresses."""
    renders_at_once: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """Renders at the same time."""
    keep_gb: float = Field(default=5.0, gt=0)
    """Gigabytes of finished renders that are kept; the oldest go first."""
    keep_sources_gb: float = Field(default=10.0, gt=0)
    """Gigabytes of sources that nobody else has; sessions that ended long ago are forgotten first."""
    log_json: bool = False
    """Write log lines as JSON."""
    faults: Path | None = None
    """A TOML or JSON file of faults to bring about."""
    music: DirectoryPath | None = None
    """A folder of your own songs; else music is composed."""
