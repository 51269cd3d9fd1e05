"""The ``results`` and ``report`` commands: what has ended, as a list and as a page."""

# ruff: noqa: PLC0415 - a command's own imports are made when it is called, so that ``--help`` answers at once

from pathlib import Path
from typing import Annotated

import typer

from cli.options import JsonOption, StateOption, console, print_json, print_model, settings_of
from jobs.model import ENDED, State


def results(
    state: Annotated[
        list[State] | None, typer.Option("--state", metavar="STATE", help="Only these; again for more.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 100,
    state_dir: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what has ended, the newest first.

    $ dropscore results --state failed
    $ dropscore results --json
    """
    from cli import status as views
    from cli.reach import reached
    from jobs import result

    with reached(settings_of(state_dir=state_dir)) as ledger:
        jobs = views.latest(ledger, tuple(state or sorted(ENDED)), limit)
    if as_json:
        print_json([result.of(job).model_dump(mode="json") for job in jobs])
    else:
        views.print_results(jobs, console())


def report(
    outbox: Annotated[
        str, typer.Option("--outbox", metavar="DIR", help="The folder that holds the results.")
    ] = "outbox",
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The page to write.")] = Path(
        "report.html"
    ),
    state: Annotated[
        list[State] | None, typer.Option("--state", metavar="STATE", help="Only these; again for more.")
    ] = None,
    pictures: Annotated[
        int, typer.Option("--pictures", min=0, metavar="N", help="Draw pictures of the first N files.")
    ] = 200,
    as_json: JsonOption = False,
) -> None:
    """Make one page of all results.

    results.csv and results.jsonl come with it. It reads the results in the outbox alone: no server need run.

    $ dropscore report --outbox outbox -o report.html
    $ dropscore report --state failed --pictures 0
    """
    from cli import report as reports
    from cli.phrases import plural, shown

    written = reports.write(reports.Order(outbox, out, tuple(state or ()), pictures))
    if as_json:
        print_model(written)
    else:
        typer.echo(
            f"{plural(written.files, 'file')} in {shown(written.report)}, results.csv and results.jsonl"
        )
