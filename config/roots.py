"""The folders that are watched: ``[[roots]]`` tables in ``dropscore.toml``."""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

Watch = Literal["auto", "native", "poll"]
"""How changes are noticed: by the system's events, by looking again, or as the file system allows."""

SessionPer = Literal["file", "folder"]
"""One editing session a file, or one for all files of a folder (api-contract 7)."""


Folder = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, Path) else value)]
"""A folder of this host, or one in a bucket (``s3://bucket/prefix``)."""


class Root(BaseModel):
    """One watched folder; what it leaves open is taken from the settings of the same name."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: Folder
    """The folder, or `s3://bucket/folder`."""
    outbox: Folder | None = None
    """Where its results go; `outbox` beside the folder, if it is not said."""
    watch: Watch | None = None
    """As `DROPSCORE_WATCH`."""
    session: SessionPer | None = None
    """As `DROPSCORE_SESSION`."""


def parse_roots(value: object) -> object:
    """Read roots from one line of text: paths with commas between them, or the tables as JSON."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)  # what is broken is a ValueError: pydantic names the setting
    return [{"path": path.strip()} for path in value.split(",") if path.strip()]
