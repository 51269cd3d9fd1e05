"""The Typer app, the flags that several commands share, and how an answer is printed."""

# ruff: noqa: PLC0415 - a command's own imports are made when it is called, so that ``--help`` answers at once

import inspect
import json
import select
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console

    from cli.control import Answer
    from config.settings import Settings
    from config.skills import Skill

PIPE_WIDTH = 160
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
        "--session",
        metavar="file|folder",
        help="One session for each file, or one for each folder [default: file].",
    ),
]
BackendOption = Annotated[
    str | None,
    typer.Option("--backend", metavar="local|cloud", help="This machine, or NemoVideo [default: local]."),
]
ShrinkOption = Annotated[bool, typer.Option("--shrink", help="Compress files larger than 500 MB.")]
ConvertOption = Annotated[
    bool, typer.Option("--convert", help="Convert what the service does not take, such as .wmv.")
]
PreviewOption = Annotated[
    bool, typer.Option("--preview", help="A first look, small and fast; `retry --full` makes the whole.")
]
StemsOption = Annotated[
    bool, typer.Option("--stems", help="Deliver drums, bass, harmony and lead as WAV files too.")
]
MidiOption = Annotated[bool, typer.Option("--midi", help="Deliver the music as a MIDI file too.")]
WavOption = Annotated[bool, typer.Option("--wav", help="Deliver the music as a WAV file too.")]
LogJsonOption = Annotated[bool, typer.Option("--log-json", help="Write all logs to standard error as JSON.")]
SettleOption = Annotated[
    float | None,
    typer.Option("--settle", metavar="SECONDS", help="How long a file must be unchanged before it is taken."),
]
OutboxOption = Annotated[
    str | None,
    typer.Option("--outbox", metavar="DIR", help="Where results go [default: outbox beside the inbox]."),
]
FlatOutboxOption = Annotated[str, typer.Option("--outbox", metavar="DIR", help="Where results go.")]
InstructionOption = Annotated[
    list[str] | None,
    typer.Option("-i", "--instruction", metavar="TEXT", help="What to do; repeat it for a second step."),
]
YesOption = Annotated[
    bool, typer.Option("--yes", help="Do not ask before more than 20 new files are paid for at the cloud.")
]
JobsArgument = Annotated[list[str] | None, typer.Argument(metavar="JOB", help="Ids of jobs, or files.")]


class App(typer.Typer):
    """A Typer app whose help keeps the lines of examples: paragraphs of a docstring that begin with ``$``."""

    def command(self, name: str | None = None, **options: Any) -> Callable[..., Any]:
        """Register the function below as a command."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
            for number, paragraph in enumerate(paragraphs):
                if paragraph.startswith("$ "):  # \b: lines are not joined
                    paragraphs[number] = "\b\n" + "\n".join(f"  {line}" for line in paragraph.splitlines())
            text = "\n\n".join(paragraphs)
            super(App, self).command(name, help=text, **options)(function)
            return function

        return register


def load_settings(**flags: Any) -> "Settings":
    """Load the settings, these flags before all else; raises ConfigError."""
    from config.settings import load

    return load(flags)


def join_lines(instructions: list[str] | None) -> str | None:
    """Join several instructions into one setting, a line each."""
    return "\n".join(instructions) if instructions else None


def explain_vague(instructions: Iterable[str], skill: "Skill") -> None:
    """Say of each vague instruction, on standard error, what to ask for in its place."""
    from cli.format import escape_controls
    from config.skills import is_vague

    for text in filter(is_vague, instructions):
        print(f"dropscore: {escape_controls(skill.explain_vague(text))}", file=sys.stderr)


def join_exports(*, stems: bool, midi: bool, wav: bool) -> tuple[str, ...] | None:
    """Join what is wanted of the music beside the output into one setting; None leaves it as it is set."""
    return tuple(k for k, wanted in (("stems", stems), ("midi", midi), ("wav", wav)) if wanted) or None


def confirm_payment(files: int, credits: int, is_stopped: Callable[[], bool] = lambda: False) -> None:
    """Ask a person whether so many new files may be paid for; ``is_stopped`` ends the question as a no does.

    Raises:
        Unusable: there is no terminal to ask at.
        Interrupted: the answer was not yes.
    """
    from cli.errors import Interrupted, Unusable

    cost = f"{files:,} new files at NemoVideo, about {credits:,} credits"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Unusable(f"{cost}: nothing was paid; add --yes if that is right")
    print(f"{cost}. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    # Not input(): a run counts Ctrl-C by a handler that raises nothing, and a read would be begun again.
    while not is_stopped() and not select.select([sys.stdin], [], [], 0.2)[0]:
        pass
    if is_stopped() or sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Interrupted("nothing was submitted, and nothing was paid")


def open_console(*, to_stderr: bool = False) -> "Console":
    """Open the console of standard output, or of standard error; a pipe has room for whole lines."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH, stderr=to_stderr)


def print_answer(answer: "Answer", as_json: bool) -> None:
    """Print an answer as JSON, or line by line for a person."""
    if as_json:
        return print_model(answer)
    for line in answer.lines():
        typer.echo(line)
    return None


def print_model(model: "BaseModel") -> None:
    """Print a model as JSON."""
    print_json(model.model_dump(mode="json"))


def print_json(value: object) -> None:
    """Print JSON that people can read too."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
