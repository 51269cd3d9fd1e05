"""The ``submit`` command: a backlog of files, folders and URLs, planned before it is written down."""

# ruff: noqa: PLC0415 - a command's own imports are made when it is called, so that ``--help`` answers at once

from pathlib import Path
from typing import Annotated

import typer

from cli.options import (
    ConvertOption,
    FlatOutboxOption,
    InstructionOption,
    JsonOption,
    SessionOption,
    ShrinkOption,
    SkillOption,
    StateOption,
    joined,
    settings_of,
)

PathsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="PATH", help="Videos, folders of them (s3:// too), or URLs.")
]
ListOption = Annotated[
    str | None,
    typer.Option("-a", "--list", metavar="LIST", help="A file with a path or URL a line; - reads them here."),
]
ManifestOption = Annotated[
    Path | None,
    typer.Option("--manifest", metavar="FILE", help="A .csv or .jsonl with a row for each path or url."),
]
PriorityOption = Annotated[
    int,
    typer.Option("--priority", min=0, max=1000, metavar="N", help="Above 0, files dropped by hand go first."),
]
AgainOption = Annotated[
    str, typer.Option("--again", metavar="WORD", help="Do even what is done; a new word, a new time.")
]
SkipOption = Annotated[bool, typer.Option("--skip-bad", help="Leave bad rows out, submit the rest.")]
DryOption = Annotated[bool, typer.Option("-n", "--dry-run", help="Say what would be done; do nothing.")]


def submit(  # noqa: PLR0913, PLR0917 - one parameter a flag
    paths: PathsArgument = None,
    listed: ListOption = None,
    manifest: ManifestOption = None,
    instruction: InstructionOption = None,
    skill: SkillOption = None,
    session: SessionOption = None,
    priority: PriorityOption = 1,
    outbox: FlatOutboxOption = "outbox",
    skip_bad: SkipOption = False,
    again: AgainOption = "",
    shrink: ShrinkOption = False,
    convert: ConvertOption = False,
    dry_run: DryOption = False,
    state_dir: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Submit a backlog: files, folders, lists and URLs.

    A running `dropscore run` or its workers begin at once, else the next run does.

    $ dropscore submit -n archive/
    $ dropscore submit --manifest backlog.csv --skip-bad
    $ find archive -name "*.mov" | dropscore submit -a -
    """
    from cli.backlog import Order, Sources, perform

    settings = settings_of(
        instruction=joined(instruction),
        skill=skill,
        session=session,
        shrink=shrink or None,
        convert=convert or None,
        state_dir=state_dir,
    )
    sources = Sources(tuple(paths or ()), listed, manifest)
    raise typer.Exit(perform(Order(sources, outbox, settings, priority, again, skip_bad, dry_run, as_json)))
