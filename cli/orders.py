"""The commands that carry a person's word to the ledger: retry, tweak, cancel, pause, resume, drain.

They work while a run works, and between runs: what they change, the next run finds.
"""

# ruff: noqa: PLC0415 - a command's own imports are made when it is called, so that ``--help`` answers at once

from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import Unusable
from cli.options import StateOption, settings_of
from jobs.model import Gate

if TYPE_CHECKING:
    from jobs.ledger import Ledger

JobsArgument = Annotated[list[str] | None, typer.Argument(metavar="JOB", help="Ids of jobs, or files.")]
JobsNeeded = Annotated[list[str], typer.Argument(metavar="JOB", help="Ids of jobs, or files.")]
GatesArgument = Annotated[list[Gate] | None, typer.Argument(metavar="GATE", help="All, if none is named.")]


def retry(
    jobs: JobsArgument = None,
    failed: Annotated[bool, typer.Option("--failed", help="All that failed.")] = False,
    kind: Annotated[
        str | None, typer.Option("--class", metavar="NAME", help="With --failed: errors of this class.")
    ] = None,
    resend: Annotated[
        bool, typer.Option("--resend", help="Send an unconfirmed instruction again; it may be paid twice.")
    ] = False,
    state_dir: StateOption = None,
) -> None:
    """Let JOBs that ended without success go on at their cheapest step.

    dropscore retry --failed     dropscore retry clip.mp4 --resend
    """
    from cli.reach import reached
    from jobs import orders

    if bool(jobs) == failed or (kind and not failed):
        raise Unusable("name the jobs, or say --failed (with --class NAME for some of them)")
    with reached(settings_of(state_dir=state_dir)) as ledger:
        wanted = [job.id for job in orders.failed(ledger, kind)] if failed else _ids(ledger, jobs)
        for job_id in wanted:
            step = orders.retry(ledger, job_id, resend=resend)
            typer.echo(f"{_name(ledger, job_id)}: goes on at {step}")
    if not wanted:
        typer.echo("nothing to retry")


def tweak(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The id of a job that is done, or its file.")],
    instruction: Annotated[str, typer.Argument(metavar="TEXT", help="What to change, such as 'softer'.")],
    state_dir: StateOption = None,
) -> None:
    """Change what is done, by one more instruction; the first output is kept.

    dropscore tweak clip.mp4 "make the music softer"     delivers clip.v2.mp4
    """
    from cli.phrases import shown
    from cli.reach import reached
    from cli.status import find
    from jobs import orders

    if not instruction.strip():
        raise Unusable("say what to change, such as: dropscore tweak clip.mp4 'make the music softer'")
    with reached(settings_of(state_dir=state_dir)) as ledger:
        said = orders.tweak(ledger, find(ledger, job).id, instruction.strip())
        output = shown(ledger.get(said.job_id).spec.output)
    typer.echo(
        f"{output}: goes on at upload" if said.new else f"{output}: was asked for already, {said.state}"
    )


def cancel(jobs: JobsNeeded, state_dir: StateOption = None) -> None:
    """End JOBs for good, wherever they are."""
    from cli.reach import reached
    from jobs import orders

    with reached(settings_of(state_dir=state_dir)) as ledger:
        for job_id in _ids(ledger, jobs):
            orders.cancel(ledger, job_id)
            typer.echo(f"{_name(ledger, job_id)}: cancelled")


def pause(state_dir: StateOption = None) -> None:
    """Start no step any more, on any worker, until `dropscore resume`."""
    from cli.reach import reached
    from jobs import orders
    from jobs.gates import Gates

    with reached(settings_of(state_dir=state_dir)) as ledger:
        new = orders.pause(Gates(ledger))
    typer.echo("paused; to go on: dropscore resume" if new else "it was paused already")


def resume(gates: GatesArgument = None, state_dir: StateOption = None) -> None:
    """Open closed gates, and end a pause or a drain: what waits goes on."""
    from cli.phrases import plural
    from cli.reach import reached
    from jobs import orders
    from jobs.gates import Gates

    with reached(settings_of(state_dir=state_dir)) as ledger:
        ledger.drain(False)
        opened = orders.resume(Gates(ledger), gates or ())
    for gate, count in opened.items():
        typer.echo(f"{gate}: open, {plural(count, 'file')} going on")
    if not opened:
        typer.echo("no such gate is closed" if gates else "no gate is closed")


def drain(state_dir: StateOption = None) -> None:
    """Finish what has begun, begin nothing new until the next run."""
    from cli.phrases import plural
    from cli.reach import reached

    with reached(settings_of(state_dir=state_dir)) as ledger:
        ledger.drain(True)
        typer.echo(f"{plural(ledger.begun(), 'file')} in work will be finished; nothing new is begun")


def _ids(ledger: "Ledger", wanted: list[str] | None) -> list[str]:
    from cli.status import find

    return [find(ledger, one).id for one in wanted or ()]


def _name(ledger: "Ledger", job_id: str) -> str:
    from cli.phrases import shown

    return shown(ledger.get(job_id).spec.source)
