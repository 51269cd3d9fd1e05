"""Flags that several commands share, and what each command does with what it was told."""

# ruff: noqa: PLC0415 - a command's own imports are made when it is called, so that ``--help`` answers at once

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console

    from config.settings import Settings

_INBOX = "The folder that holds your videos, or s3://bucket/folder."
InboxArgument = Annotated[str, typer.Argument(metavar="INBOX", help=_INBOX)]
InboxesArgument = Annotated[str | None, typer.Argument(metavar="INBOX", help=_INBOX)]
StateOption = Annotated[
    Path | None, typer.Option("--state-dir", metavar="DIR", help="Where the ledger and the logs are kept.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs: see docs/json.md.")]
SkillOption = Annotated[str | None, typer.Option("--skill", metavar="NAME", help="See `dropscore skills`.")]
SessionOption = Annotated[
    str | None,
    typer.Option(
        "--session", metavar="file|folder", help="One session a file, or one for a folder [default: file]."
    ),
]
BackendOption = Annotated[
    str | None,
    typer.Option("--backend", metavar="local|cloud", help="This machine, or NemoVideo [default: local]."),
]
ShrinkOption = Annotated[bool, typer.Option("--shrink", help="Compress what is larger than 500 MB.")]
ConvertOption = Annotated[
    bool, typer.Option("--convert", help="Convert what the service does not take, such as .wmv.")
]
LogJsonOption = Annotated[bool, typer.Option("--log-json", help="Write all logs to standard error as JSON.")]
SettleOption = Annotated[
    float | None,
    typer.Option("--settle", metavar="SECONDS", help="How long a file must lie still before it is taken."),
]
OutboxOption = Annotated[
    str | None,
    typer.Option("--outbox", metavar="DIR", help="Where results go [default: outbox beside the inbox]."),
]
FlatOutboxOption = Annotated[str, typer.Option("--outbox", metavar="DIR", help="Where results go.")]
InstructionOption = Annotated[
    list[str] | None,
    typer.Option("-i", "--instruction", metavar="TEXT", help="What to do; give it again for a next one."),
]


def help_of(command: Callable[..., Any]) -> str:
    """The docstring as help; a paragraph of examples, each after a ``$``, keeps its lines."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(_example(one) if one.startswith("$ ") else one for one in paragraphs)


def _example(paragraph: str) -> str:
    return "\b\n" + "\n".join(f"  {line}" for line in paragraph.splitlines())  # \b: lines are not joined


def settings_of(**flags: Any) -> "Settings":
    """The settings, these flags before all else; raises ConfigError."""
    from config.settings import load

    return load(flags)


def joined(instructions: list[str] | None) -> str | None:
    """Several instructions as one setting, a line each."""
    return "\n".join(instructions) if instructions else None


def console() -> "Console":
    """The console of standard output."""
    from cli.run import console_for

    return console_for(sys.stdout.isatty())


def print_model(model: "BaseModel") -> None:
    """Print a model as JSON."""
    print_json(model.model_dump(mode="json"))


def print_json(value: object) -> None:
    """Print JSON that people can read too."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
