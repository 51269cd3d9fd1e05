"""The commands that carry a person's word to the ledger: retry, tweak, cancel, pause, resume, drain.

They work while a run works, and between runs: what they change, the next run finds. The JSON of ``--json`` is
stable: `cli.ordered`.
"""

# ruff: noqa: PLC0415 - a command's own imports are made when it is called, so that ``--help`` answers at once

from typing import Annotated

import typer

from cli.errors import Unusable
from cli.options import JsonOption, StateOption, print_model, settings_of
from jobs.model import Gate

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
    as_json: JsonOption = False,
) -> None:
    """Let JOBs that ended without success go on at their cheapest step.

    $ dropscore retry --failed
    $ dropscore retry --failed --class NoMusic
    $ dropscore retry inbox/clip.mp4 --resend
    """
    from cli.ordered import each, show
    from cli.reach import reached
    from cli.status import find
    from jobs import orders

    if bool(jobs) == failed or (kind and not failed):
        raise Unusable("name the jobs, or say --failed (with --class NAME for some of them)")
    with reached(settings_of(state_dir=state_dir)) as ledger:
        wanted = orders.failed(ledger, kind) if failed else (find(ledger, one) for one in jobs or ())
        done = each(ledger, list(wanted), lambda job_id: orders.retry(ledger, job_id, resend=resend))
    if not done.jobs and not as_json:
        typer.echo("nothing to retry")
    raise typer.Exit(show(done, "goes on at {step}", as_json))


def tweak(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The id of a job that is done, or its file.")],
    instruction: Annotated[str, typer.Argument(metavar="TEXT", help="What to change, such as 'softer'.")],
    state_dir: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change what is done, by one more instruction.

    The first output is kept; this one delivers clip.v2.mp4:

    $ dropscore tweak inbox/clip.mp4 "make the music softer"
    """
    from cli.ordered import Tweaked
    from cli.phrases import shown
    from cli.reach import reached
    from cli.status import find
    from jobs import orders

    if not instruction.strip():
        raise Unusable("say what to change, such as: dropscore tweak clip.mp4 'make the music softer'")
    with reached(settings_of(state_dir=state_dir)) as ledger:
        said = orders.tweak(ledger, find(ledger, job).id, instruction.strip())
        spec = ledger.get(said.job_id).spec
    if as_json:
        print_model(
            Tweaked(job=said.job_id, source=spec.source, output=spec.output, state=said.state, new=said.new)
        )
        return
    what = "goes on at upload" if said.new else f"was asked for already, {said.state}"
    typer.echo(f"{shown(spec.output)}: {what}")


def cancel(jobs: JobsNeeded, state_dir: StateOption = None, as_json: JsonOption = False) -> None:
    """End JOBs for good, wherever they are.

    $ dropscore cancel inbox/clip.mp4
    """
    from cli.ordered import each, show
    from cli.reach import reached
    from cli.status import find
    from jobs import orders

    with reached(settings_of(state_dir=state_dir)) as ledger:
        wanted = [find(ledger, one) for one in jobs]
        done = each(ledger, wanted, lambda job_id: orders.cancel(ledger, job_id))
    raise typer.Exit(show(done, "cancelled", as_json))


def pause(state_dir: StateOption = None, as_json: JsonOption = False) -> None:
    """Start no step any more, on any worker, until `dropscore resume`.

    $ dropscore pause
    """
    from cli.ordered import Paused
    from cli.reach import reached
    from jobs import orders
    from jobs.gates import Gates

    with reached(settings_of(state_dir=state_dir)) as ledger:
        new = orders.pause(Gates(ledger))
    if as_json:
        print_model(Paused(new=new))
    else:
        typer.echo("paused; to go on: dropscore resume" if new else "it was paused already")


def resume(gates: GatesArgument = None, state_dir: StateOption = None, as_json: JsonOption = False) -> None:
    """Open closed gates, end a pause or a drain.

    What waits goes on where it stood.

    $ dropscore resume
    $ dropscore resume credits
    """
    from cli.ordered import Opened, Resumed
    from cli.phrases import plural
    from cli.reach import reached
    from jobs import orders
    from jobs.gates import Gates

    with reached(settings_of(state_dir=state_dir)) as ledger:
        ledger.drain(False)
        opened = orders.resume(Gates(ledger), gates or ())
    if as_json:
        print_model(Resumed(opened=tuple(Opened(gate=gate, files=count) for gate, count in opened.items())))
        return
    for gate, count in opened.items():
        typer.echo(f"{gate}: open, {plural(count, 'file')} going on")
    if not opened:
        typer.echo("no such gate is closed" if gates else "no gate is closed")


def drain(state_dir: StateOption = None, as_json: JsonOption = False) -> None:
    """Finish what has begun, begin nothing new until the next run.

    $ dropscore drain
    """
    from cli.ordered import Draining
    from cli.phrases import plural
    from cli.reach import reached

    with reached(settings_of(state_dir=state_dir)) as ledger:
        ledger.drain(True)
        in_work = ledger.begun()
    if as_json:
        print_model(Draining(in_work=in_work))
    else:
        typer.echo(f"{plural(in_work, 'file')} in work will be finished; nothing new is begun")
