"""``dropscore …``: parses, calls one function, prints; errors become one line and an exit code.

What a command needs is imported when it is called, so that ``--help`` answers at once.
"""

# ruff: noqa: PLC0415 - a command's own imports are made when it is called, for the reason above

import io
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from cli import orders
from cli.credits import credits
from cli.doctor import doctor
from cli.errors import KNOWN, Failure, failure_of
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
    help_of,
    joined,
    print_json,
    print_model,
    settings_of,
)
from cli.results import report, results
from cli.submit import submit

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
    as_json: JsonOption = False,
) -> None:
    """Put music under every video in INBOX; keep watching until Ctrl-C.

    Ctrl-C once finishes what runs; twice stops now. Nothing is lost, and nothing is paid twice.

    $ dropscore run ~/Videos/inbox
    $ dropscore run inbox --once -i "calm piano, 30%, fade out at the end"
    $ dropscore run inbox --once --json
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
    raise typer.Exit(perform(Order(inbox, outbox, once, settings, as_json)))


def samples(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put them; made if it is missing.")],
    as_json: JsonOption = False,
) -> None:
    """Put three short clips into DIR, if it is empty, to try things.

    $ dropscore samples inbox
    """
    from cli.phrases import plural, shown
    from cli.samples import make

    made = make(folder)
    if as_json:
        print_json({"folder": str(folder.resolve()), "made": [str(path.resolve()) for path in made]})
    elif made:
        typer.echo(f"{plural(len(made), 'sample clip')} in {shown(folder)}")
    else:
        typer.echo(f"{shown(folder)} has files already")


def status(
    job: Annotated[str | None, typer.Argument(metavar="JOB", help="A job's id, or a file.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again each second, until Ctrl-C.")] = False,
    state_dir: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the totals and what is held up; for JOB, its every step.

    $ dropscore status --watch
    $ dropscore status inbox/clip.mp4
    """
    from cli import status as views
    from cli.reach import reached
    from jobs import result

    if watch:
        from cli import live

        return live.watch(settings_of(state_dir=state_dir), job, console(), as_json=as_json)
    with reached(settings_of(state_dir=state_dir)) as ledger:
        if job is None:
            seen = views.overview(ledger)
            print_model(seen) if as_json else views.print_overview(seen, console())
        else:
            found = views.find(ledger, job)
            print_model(result.of(found)) if as_json else views.print_job(found, console())


def skills(as_json: JsonOption = False) -> None:
    """List the skills: what each asks for when you say nothing.

    $ dropscore skills
    $ dropscore run inbox --skill music-ab2n
    """
    from cli.skills import print_skills

    settings = settings_of()
    there = settings.all_skills()
    if as_json:
        print_json([skill.model_dump(mode="json") for skill in there.values()])
    else:
        print_skills(there.values(), settings.skill, console())


def worker(state_dir: StateOption = None, log_json: LogJsonOption = False) -> None:
    """Run one worker alone, beside others: on another host, say.

    It takes its settings from the environment; DROPSCORE_REDIS_URL names the ledger all of them share.

    $ DROPSCORE_REDIS_URL=redis://:PASSWORD@HOST:6379/0 dropscore worker
    """
    from cli import alone

    alone.worker(settings_of(state_dir=state_dir, log_json=log_json or None))


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

    $ dropscore watch inbox --outbox outbox
    $ dropscore watch
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


def studio(
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[OPTIONS]")] = None,
) -> None:
    """Run the local studio alone; it takes options of its own.

    $ dropscore studio --port 8700 --root .studio
    $ dropscore studio --help
    """
    from cli import alone

    alone.studio(arguments or [])


for part in (run, samples, submit, watch, worker):
    app.command(help=help_of(part))(part)
app.command(help=help_of(studio), context_settings={"ignore_unknown_options": True, "help_option_names": []})(
    studio
)
for look in (status, results, report, credits, skills, doctor):
    app.command(help=help_of(look))(look)
for order in (orders.retry, orders.tweak, orders.cancel, orders.pause, orders.resume, orders.drain):
    app.command(help=help_of(order))(order)


def main() -> NoReturn:
    """The entry point: run a command, and turn what it raises into one line and an exit code.

    With ``--json`` the line goes to standard error as ever, and an object ``error`` to standard output.
    """
    if sys.platform == "win32":
        _leave(Failure("Windows is not supported; use WSL, or docker compose", 2, "Unusable"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no ✓ gets a ?
    try:
        answer = app(standalone_mode=False)
    except TyperException as wrong:
        said = getattr(wrong, "format_message", wrong.__str__)()
        _leave(Failure(said, getattr(wrong, "exit_code", 2), "Usage"))
    except BrokenPipeError:  # `dropscore results | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KNOWN as known:
        _leave(failure_of(known))
    except (typer.Abort, KeyboardInterrupt):
        _leave(Failure("", 130, "Interrupted"))
    sys.exit(answer if isinstance(answer, int) else 0)


def _leave(failure: Failure) -> NoReturn:
    from config.logs import masked

    safe = replace(failure, message=masked(failure.message), rows=tuple(map(masked, failure.rows)))
    if safe.message:
        print(f"dropscore: {safe.message}", file=sys.stderr)
    if "--json" in sys.argv[1:]:  # what was said is known here even when it could not be parsed
        print(safe.as_json())
    sys.exit(safe.exit_code)
