"""What ``doctor`` answers; its JSON is stable."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

State = Literal["ok", "warn", "fail"]


class Check(BaseModel):
    """One matter; ``mend`` says what to do where it is not ``ok``."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: State
    said: str
    mend: str = ""


class Examination(BaseModel):
    """All checks, in the order in which things are needed; ``well`` = none fails."""

    model_config = ConfigDict(frozen=True)

    well: bool
    checks: tuple[Check, ...]
