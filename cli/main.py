"""``dropscore …``: parses, calls one function, prints; errors become one line and an exit code.

What a command needs is imported when it is called, so that ``--help`` answers at once.
"""

# ruff: noqa: PLC0415 - a command's own imports are made when it is called, for the reason above

import io
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from cli import orders
from cli.credits import credits
from cli.doctor import doctor
from cli.errors import CliError
from cli.options import (
    BackendOption,
    ConvertOption,
    InboxArgument,
    InboxesArgument,
    InstructionOption,
    JsonOption,
    LogJsonOption,
    OutboxOption,
    SessionOption,
    SettleOption,
    ShrinkOption,
    SkillOption,
    StateOption,
    console,
    joined,
    print_json,
    print_model,
    settings_of,
)
from cli.submit import submit
from config.errors import ConfigError
from jobs.errors import LedgerError
from jobs.model import ENDED, State

app = typer.Typer(
    name="dropscore",
    help="Turn a folder of videos into the same folder with music.",
    epilog="Try it:  dropscore samples inbox  and then  dropscore run inbox --once",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"dropscore {installed('dropscore')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


@app.command()
def run(  # noqa: PLR0913, PLR0917 - one parameter a flag
    inbox: InboxArgument,
    outbox: OutboxOption = None,
    once: Annotated[bool, typer.Option("--once", help="End when every file has ended.")] = False,
    backend: BackendOption = None,
    instruction: InstructionOption = None,
    skill: SkillOption = None,
    session: SessionOption = None,
    state_dir: StateOption = None,
    settle: SettleOption = None,
    max_credits: Annotated[
        int | None, typer.Option("--max-credits", metavar="N", help="Spend no more than this in this run.")
    ] = None,
    shrink: ShrinkOption = False,
    convert: ConvertOption = False,
    log_json: LogJsonOption = False,
) -> None:
    """Put music under every video in INBOX; keep watching until Ctrl-C.

    Ctrl-C once finishes what runs; twice stops now. Nothing is lost, and nothing is paid twice.
    """
    from cli.run import Order
    from cli.run import run as perform

    settings = settings_of(
        chosen_backend=backend,
        instruction=joined(instruction),
        skill=skill,
        session=session,
        state_dir=state_dir,
        settle_s=settle,
        max_credits=max_credits,
        shrink=shrink or None,
        convert=convert or None,
        log_json=log_json or None,
    )
    raise typer.Exit(perform(Order(inbox, outbox, once, settings)))


@app.command()
def samples(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put them; made if it is missing.")],
) -> None:
    """Put three short clips into DIR, if it is empty, to try things."""
    from cli.phrases import plural, shown
    from cli.samples import make

    made = make(folder)
    typer.echo(
        f"{plural(len(made), 'sample clip')} in {shown(folder)}"
        if made
        else f"{shown(folder)} has files already"
    )


@app.command()
def status(
    job: Annotated[str | None, typer.Argument(metavar="[JOB]", help="A job's id, or a file.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again each second, until Ctrl-C.")] = False,
    state_dir: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the totals and what is held up; for JOB, its every step."""
    from cli import status as views
    from cli.reach import reached
    from jobs import result

    if watch:
        from cli import live

        return live.watch(settings_of(state_dir=state_dir), job, console())
    with reached(settings_of(state_dir=state_dir)) as ledger:
        if job is None:
            seen = views.overview(ledger)
            print_model(seen) if as_json else views.print_overview(seen, console())
        else:
            found = views.find(ledger, job)
            print_model(result.of(found)) if as_json else views.print_job(found, console())


@app.command()
def results(
    state: Annotated[list[State] | None, typer.Option("--state", help="Only these; again for more.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 100,
    state_dir: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what has ended, the newest first."""
    from cli import status as views
    from cli.reach import reached
    from jobs import result

    with reached(settings_of(state_dir=state_dir)) as ledger:
        jobs = views.latest(ledger, tuple(state or sorted(ENDED)), limit)
    if as_json:
        print_json([result.of(job).model_dump(mode="json") for job in jobs])
    else:
        views.print_results(jobs, console())


@app.command()
def report(
    outbox: Annotated[
        str, typer.Option("--outbox", metavar="DIR", help="The folder that holds the results.")
    ] = "outbox",
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The page to write.")] = Path(
        "report.html"
    ),
    state: Annotated[list[State] | None, typer.Option("--state", help="Only these; again for more.")] = None,
    pictures: Annotated[
        int, typer.Option("--pictures", min=0, metavar="N", help="Draw pictures of the first N files.")
    ] = 200,
    as_json: JsonOption = False,
) -> None:
    """Make one page of all results, with results.csv and results.jsonl beside it.

    It reads the results in the outbox alone: no server need run.
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


@app.command()
def skills(as_json: JsonOption = False) -> None:
    """List the skills there are."""
    from cli.skills import print_skills

    settings = settings_of()
    there = settings.all_skills()
    if as_json:
        print_json([skill.model_dump(mode="json") for skill in there.values()])
    else:
        print_skills(there.values(), settings.skill, console())


@app.command()
def worker(state_dir: StateOption = None, log_json: LogJsonOption = False) -> None:
    """Run one worker alone, beside others: on another host, say.

    It takes its settings from the environment; DROPSCORE_REDIS_URL names the ledger all of them share.
    """
    from cli import alone

    alone.worker(settings_of(state_dir=state_dir, log_json=log_json or None))


@app.command()
def watch(  # noqa: PLR0913, PLR0917 - one parameter a flag
    inbox: InboxesArgument = None,
    outbox: OutboxOption = None,
    once: Annotated[bool, typer.Option("--once", help="End when everything found is submitted.")] = False,
    skill: SkillOption = None,
    instruction: InstructionOption = None,
    state_dir: StateOption = None,
    settle: SettleOption = None,
    shrink: ShrinkOption = False,
    convert: ConvertOption = False,
    log_json: LogJsonOption = False,
) -> None:
    """Watch INBOX alone and submit what is dropped there, for workers.

    Without INBOX the folders of [[roots]] in dropscore.toml are watched.
    """
    from cli import alone

    settings = settings_of(
        instruction=joined(instruction),
        skill=skill,
        state_dir=state_dir,
        settle_s=settle,
        shrink=shrink or None,
        convert=convert or None,
        log_json=log_json or None,
    )
    alone.producer(settings, inbox, outbox, once)


@app.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
def studio(
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[OPTIONS]")] = None,
) -> None:
    """Run the local studio alone; it takes options of its own."""
    from cli import alone

    alone.studio(arguments or [])


for part in (submit, credits, doctor):
    app.command()(part)
for order in (orders.retry, orders.tweak, orders.cancel, orders.pause, orders.resume, orders.drain):
    app.command()(order)


def main() -> NoReturn:
    """The entry point: run a command, and turn what it raises into one line and an exit code."""
    if sys.platform == "win32":
        _leave("Windows is not supported; use WSL, or docker compose", 2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no ✓ gets a ?
    try:
        answer = app(standalone_mode=False)
    except TyperException as wrong:
        _leave(getattr(wrong, "format_message", wrong.__str__)(), getattr(wrong, "exit_code", 2))
    except (CliError, ConfigError, LedgerError) as known:
        _leave(str(known), exit_code(known))
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:  # `dropscore results | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as broken:  # a full disk, a folder that went away: what no part could name better
        _leave(f"{broken.filename or 'dropscore'}: {broken.strerror or broken}", 1)
    sys.exit(answer if isinstance(answer, int) else 0)


def exit_code(error: CliError | ConfigError | LedgerError) -> int:
    """The exit code an error amounts to (expectations, "Conventions")."""
    if isinstance(error, CliError):
        return error.exit_code
    return 2 if isinstance(error, ConfigError) else 1


def _leave(message: str, code: int) -> NoReturn:
    from config.logs import masked

    print(f"dropscore: {masked(message)}", file=sys.stderr)
    sys.exit(code)
