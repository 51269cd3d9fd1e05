"""``dropscore …``: parses, calls one function, prints; errors become one line and an exit code.

What a command needs is imported when it is called, so that ``--help`` answers at once.
"""

# ruff: noqa: PLC0415 - a command's own imports are made when it is called, for the reason above
# ruff: noqa: PLR0913, PLR0917 - one parameter a flag

import io
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from cli.errors import KNOWN, Failure, Unusable, describe_failure
from cli.options import (
    App,
    BackendOption,
    ConvertOption,
    FlatOutboxOption,
    InboxArgument,
    InboxesArgument,
    InstructionOption,
    JobsArgument,
    JsonOption,
    LogJsonOption,
    MidiOption,
    OutboxOption,
    PreviewOption,
    SessionOption,
    SettleOption,
    ShrinkOption,
    SkillOption,
    StateOption,
    StemsOption,
    WavOption,
    YesOption,
    explain_vague,
    join_exports,
    join_lines,
    load_settings,
    open_console,
    print_answer,
    print_json,
    print_model,
)
from jobs.model import ENDED, Gate, State

if TYPE_CHECKING:
    from config.skills import Skill

app = App(
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


# --- working --------------------------------------------------------------------------------------


@app.command()
def run(
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
    preview: PreviewOption = False,
    stems: StemsOption = False,
    midi: MidiOption = False,
    wav: WavOption = False,
    yes: YesOption = False,
    redo: Annotated[
        bool, typer.Option("--redo", help="Do what the other backend did with this one too.")
    ] = False,
    web: Annotated[bool, typer.Option("--web", help="Serve a page to drop, watch, hear and change.")] = False,
    log_json: LogJsonOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put music under every video in INBOX; keep watching until Ctrl-C.

    Ctrl-C once finishes what runs; twice stops now. Nothing is lost, and nothing is paid for twice.

    $ dropscore run ~/Videos/inbox --web
    $ dropscore run inbox --once -i "calm piano, 30%, fade out at the end"
    $ dropscore run inbox --once --json
    """
    from cli.run import RunOptions
    from cli.run import run as run_inbox

    settings = load_settings(
        chosen_backend=backend,
        instruction=join_lines(instruction),
        skill=skill,
        session=session,
        state_dir=state_dir,
        settle_s=settle,
        max_credits=max_credits,
        shrink=shrink or None,
        convert=convert or None,
        preview=preview or None,
        exports=join_exports(stems=stems, midi=midi, wav=wav),
        log_json=log_json or None,
    )
    raise typer.Exit(run_inbox(RunOptions(inbox, outbox, once, settings, as_json, yes, redo, web)))


@app.command()
def create(
    words: Annotated[str, typer.Argument(metavar="TEXT", help="What the video is to show.")],
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="The MP4 to make.")],
    instruction: Annotated[
        list[str] | None,
        typer.Option("-i", "--instruction", metavar="TEXT", help="What to change in it then; repeat it."),
    ] = None,
    preview: PreviewOption = False,
    stems: StemsOption = False,
    midi: MidiOption = False,
    wav: WavOption = False,
    backend: BackendOption = None,
    skill: SkillOption = None,
    state_dir: StateOption = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not stop for files of an earlier run that go on too.")
    ] = False,
    log_json: LogJsonOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a video with music from words alone.

    NemoVideo makes a clip of what you describe, for about 100 credits; the local studio shows the words on a
    slow drift of colours. A run that goes on takes it up, else all that is needed is started.

    $ dropscore create "a calm morning in the hills" -o hills.mp4
    $ dropscore tweak hills.mp4 "make the music softer"
    """
    from cli.create import CreateOptions
    from cli.create import create as create_video

    settings = load_settings(
        chosen_backend=backend,
        skill=skill,
        state_dir=state_dir,
        preview=preview or None,
        exports=join_exports(stems=stems, midi=midi, wav=wav),
        log_json=log_json or None,
    )
    created = create_video(CreateOptions(words, output, tuple(instruction or ()), settings, as_json, yes))
    if as_json:
        print_model(created.result)
    else:
        for line in created.lines():
            typer.echo(line)
    raise typer.Exit(created.exit_code)


@app.command()
def samples(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put them; made if it is missing.")],
    as_json: JsonOption = False,
) -> None:
    """Put three short clips into DIR, if it is empty, to try things.

    $ dropscore samples inbox
    """
    from cli.format import format_count, format_path
    from cli.samples import copy_samples

    made = copy_samples(folder)
    if as_json:
        print_json({"folder": str(folder.resolve()), "made": [str(path.resolve()) for path in made]})
    elif made:
        typer.echo(f"{format_count(len(made), 'sample clip')} in {format_path(folder)}")
    else:
        typer.echo(f"{format_path(folder)} has files already")


@app.command()
def preview(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A video.")],
    moods: Annotated[
        str, typer.Option("--moods", metavar="A,B,C", help="Kinds of music, such as calm, lo-fi, 80s synth.")
    ] = "calm,happy,epic",
    start: Annotated[
        float, typer.Option("--from", min=0, metavar="SECONDS", help="Where in the clip to begin.")
    ] = 0.0,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="Where to [default: previews beside its folder]."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make 15 s of CLIP under several kinds of music.

    The local studio makes them, whatever the backend; they cost nothing.

    $ dropscore preview inbox/clip.mp4
    $ dropscore preview inbox/clip.mp4 --moods "lo-fi,jazz,80s synth" --from 30
    """
    from cli.preview import preview_clip

    print_answer(preview_clip(clip, moods, out, start), as_json)


@app.command()
def submit(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Videos, folders of them (s3:// too), or URLs.")
    ] = None,
    listed: Annotated[
        str | None,
        typer.Option(
            "-a", "--list", metavar="LIST", help="A file with one path or URL per line; - reads them here."
        ),
    ] = None,
    null: Annotated[
        bool, typer.Option("-0", "--null", help="Names in LIST end with a null character (find -print0).")
    ] = False,
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", metavar="FILE", help="A .csv or .jsonl with a row for each path or url."),
    ] = None,
    instruction: InstructionOption = None,
    skill: SkillOption = None,
    session: SessionOption = None,
    priority: Annotated[
        int,
        typer.Option(
            "--priority", min=0, max=1000, metavar="N", help="Above 0, files dropped by hand go first."
        ),
    ] = 1,
    outbox: FlatOutboxOption = "outbox",
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave bad rows out, submit the rest.")
    ] = False,
    again: Annotated[
        str, typer.Option("--again", metavar="WORD", help="Repeat even what is done; each word once.")
    ] = "",
    shrink: ShrinkOption = False,
    convert: ConvertOption = False,
    preview: PreviewOption = False,
    stems: StemsOption = False,
    midi: MidiOption = False,
    wav: WavOption = False,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="Say what would be done; do nothing.")
    ] = False,
    yes: YesOption = False,
    state_dir: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Submit a backlog: files, folders, lists and URLs.

    A running `dropscore run` or its workers begin at once, else the next run does. The exit code is 1 if a
    file is refused.

    $ dropscore submit -n archive/
    $ dropscore submit --manifest backlog.csv --skip-bad
    $ find archive -name "*.mov" -print0 | dropscore submit -0 -a -
    """
    from cli.submit import NamedSources, SubmitOptions, submit_backlog

    settings = load_settings(
        instruction=join_lines(instruction),
        skill=skill,
        session=session,
        shrink=shrink or None,
        convert=convert or None,
        preview=preview or None,
        exports=join_exports(stems=stems, midi=midi, wav=wav),
        state_dir=state_dir,
    )
    sources = NamedSources(tuple(paths or ()), listed, manifest, null)
    options = SubmitOptions(sources, outbox, settings, priority, again, skip_bad, dry_run, yes)
    report = submit_backlog(options)
    print_answer(report, as_json)
    raise typer.Exit(report.exit_code)


@app.command()
def watch(
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
    from cli.services import become_producer

    settings = load_settings(
        instruction=join_lines(instruction),
        skill=skill,
        state_dir=state_dir,
        settle_s=settle,
        shrink=shrink or None,
        convert=convert or None,
        log_json=log_json or None,
    )
    become_producer(settings, inbox, outbox, once)


@app.command()
def worker(state_dir: StateOption = None, log_json: LogJsonOption = False) -> None:
    """Run one worker alone, beside others: on another host, say.

    It takes its settings from the environment; DROPSCORE_REDIS_URL names the ledger all of them share.

    $ DROPSCORE_REDIS_URL=redis://:PASSWORD@HOST:6379/0 dropscore worker
    """
    from cli.services import become_worker

    become_worker(load_settings(state_dir=state_dir, log_json=log_json or None))


@app.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
def studio(
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[OPTIONS]")] = None,
) -> None:
    """Run the local studio alone; it takes options of its own.

    $ dropscore studio --port 8700 --root .studio
    $ dropscore studio --help
    """
    from cli.services import become_studio

    become_studio(arguments or [])


@app.command(name="web")
def serve_page(
    inbox: InboxesArgument = None,
    outbox: OutboxOption = None,
    backend: BackendOption = None,
    state_dir: StateOption = None,
    log_json: LogJsonOption = False,
) -> None:
    """Serve the page alone, beside a run or workers that go on already.

    It listens on this machine alone; DROPSCORE_WEB_HOST and DROPSCORE_WEB_PASSWORD open it to others.

    $ dropscore run inbox --web
    $ dropscore web inbox --outbox outbox
    """
    from cli.services import serve_page_alone

    serve_page_alone(
        load_settings(chosen_backend=backend, state_dir=state_dir, log_json=log_json or None), inbox, outbox
    )


# --- looking --------------------------------------------------------------------------------------


@app.command()
def status(
    job: Annotated[str | None, typer.Argument(metavar="JOB", help="A job's id, or a file.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh each second, until Ctrl-C.")] = False,
    state_dir: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the totals and what is held up; for JOB, its every step.

    $ dropscore status --watch
    $ dropscore status inbox/clip.mp4
    """
    from cli import status as views
    from cli.ledger import open_ledger
    from jobs.overview import count_gone, read_overview
    from jobs.result import load_result

    settings = load_settings(state_dir=state_dir)
    if watch:
        return views.watch(settings, job, open_console(), as_json=as_json)
    with open_ledger(settings, about=job) as ledger:
        if job is None:
            seen = read_overview(ledger, gone=count_gone(ledger, settings.backend) if settings.restore else 0)
            print_model(seen) if as_json else views.print_lines(views.overview_lines(seen), open_console())
        else:
            found = load_result(views.find_job(ledger, job))
            print_model(found) if as_json else views.print_lines(views.result_lines(found), open_console())


@app.command()
def results(
    state: Annotated[
        list[State] | None,
        typer.Option("--state", metavar="STATE", help="Only this state; repeat it for several."),
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
    from cli.ledger import load_results, open_ledger

    with open_ledger(load_settings(state_dir=state_dir)) as ledger:
        found = load_results(views.latest_jobs(ledger, tuple(state or sorted(ENDED)), limit))
    if as_json:
        print_json([result.model_dump(mode="json") for result in found])
    else:
        open_console().print(views.results_table(found))


@app.command()
def report(
    outbox: Annotated[
        str, typer.Option("--outbox", metavar="DIR", help="The folder that holds the results.")
    ] = "outbox",
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The page to write.")] = Path(
        "report.html"
    ),
    state: Annotated[
        list[State] | None,
        typer.Option("--state", metavar="STATE", help="Only this state; repeat it for several."),
    ] = None,
    pictures: Annotated[
        int | None,
        typer.Option(
            "--pictures", min=0, metavar="N", help="Pictures of N files [default: what 5 seconds allow]."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make one page of all results, with players for before and after.

    results.csv and results.jsonl are written beside it. It reads the results in the outbox alone: no server
    needs to run.

    $ dropscore report --outbox outbox -o report.html
    $ dropscore report --state failed --pictures 0
    """
    from cli.format import format_count, format_path
    from web.report import ReportError, ReportOptions, write_report

    try:
        written = write_report(ReportOptions(outbox, out, tuple(state or ()), pictures))
    except ReportError as exc:
        raise Unusable(str(exc)) from exc
    if as_json:
        print_model(written)
    else:
        files = format_count(written.files, "file")
        typer.echo(f"{files} in {format_path(written.report)}, results.csv and results.jsonl")


@app.command()
def credits(
    backend: BackendOption = None, state_dir: StateOption = None, as_json: JsonOption = False
) -> None:
    """Show the balance of the account, and the budget of this run.

    An anonymous account is made if there is none yet; it is kept, and the next run uses it.

    $ dropscore credits
    $ dropscore credits --backend cloud
    """
    from cli.account import read_balance
    from cli.ledger import open_ledger

    settings = load_settings(chosen_backend=backend, state_dir=state_dir)
    with open_ledger(settings, new=True) as ledger:
        found = read_balance(settings, ledger)
    print_answer(found, as_json)


@app.command(name="open")
def open_page(
    job: Annotated[str, typer.Argument(metavar="JOB", help="A job's id, or its file.")],
    backend: BackendOption = None,
    state_dir: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a link to JOB on the web, where you can go on with it.

    Whoever has the link can open the job's session: hand it to nobody else.

    $ dropscore open inbox/clip.mp4 --backend cloud
    """
    from cli.account import find_page
    from cli.ledger import open_ledger
    from cli.status import find_job

    settings = load_settings(chosen_backend=backend, state_dir=state_dir)
    with open_ledger(settings, about=job) as ledger:
        page = find_page(settings, ledger, find_job(ledger, job))
    print_answer(page, as_json)


@app.command()
def skills(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="One skill: all that is known of it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the skills: what each asks for when you give no instruction.

    $ dropscore skills
    $ dropscore skills best-music-cog
    $ dropscore run inbox --skill music-ab2n
    """
    from rich.table import Table
    from rich.text import Text

    from config.skills import pick

    settings = load_settings()
    found = settings.all_skills()
    if name is not None:
        one = pick(found, name)
        return print_model(one) if as_json else print_skill(one)
    if as_json:
        return print_json([skill.model_dump(mode="json") for skill in found.values()])
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("", "skill", "asks for, when you give no instruction"):
        table.add_column(title, overflow="fold")
    for skill in found.values():
        chosen = skill.name == settings.skill
        asks = Text.assemble(skill.instruction, (f"\n{skill.tip}" if skill.tip else "", "dim"))
        table.add_row("›" if chosen else "", Text(skill.name, "bold" if chosen else ""), asks)
    return open_console().print(table)


def print_skill(skill: "Skill") -> None:
    """Print what is known of a skill: its title, what it asks for, its tip, and what to try."""
    lines = [skill.title, f"Asks for: {skill.instruction}"]
    lines += [f"Takes: {skill.takes_s[0]}-{skill.takes_s[1]} seconds", f"Files: {', '.join(skill.accepts)}"]
    lines += [f"Tip: {skill.tip}"] if skill.tip else []
    lines += ["Try saying:", *(f'- "{text}"' for text in skill.try_saying)] if skill.try_saying else []
    for line in lines:
        typer.echo(line)


@app.command()
def doctor(
    inboxes: Annotated[
        list[str] | None,
        typer.Argument(metavar="INBOX", help="Folders to look at [default: those of [[roots]]]."),
    ] = None,
    outbox: FlatOutboxOption = "outbox",
    backend: BackendOption = None,
    state_dir: StateOption = None,
    notify: Annotated[
        bool, typer.Option("--notify", help="Send a test message to each address of DROPSCORE_NOTIFY.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check that all is well, and say how to fix what is not.

    Settings, Redis, service, account, disk, clocks, ffmpeg and folders are checked; the exit code is 1 if
    one fails. It changes nothing, makes no account, spends nothing, and sends nothing without --notify.

    $ dropscore doctor inbox
    """
    from cli.doctor import Where, examine, print_checks

    flags = {"chosen_backend": backend, "state_dir": state_dir}
    checkup = examine(flags, Where(tuple(inboxes or ()), outbox), send_test=notify)
    print_model(checkup) if as_json else print_checks(checkup, open_console())
    raise typer.Exit(0 if checkup.well else 1)


# --- commanding -----------------------------------------------------------------------------------


@app.command()
def retry(
    jobs: JobsArgument = None,
    failed: Annotated[bool, typer.Option("--failed", help="All that failed.")] = False,
    unconfirmed: Annotated[bool, typer.Option("--unconfirmed", help="All that are unconfirmed.")] = False,
    code: Annotated[
        str | None,
        typer.Option("--class", metavar="CODE", help="With --failed: only this error, such as no_music."),
    ] = None,
    resend: Annotated[
        bool,
        typer.Option("--resend", help="Send an unconfirmed instruction again; it may be paid for twice."),
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Make the whole of JOBs that were previews; it costs nothing.")
    ] = False,
    state_dir: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let JOBs that ended without success go on at their cheapest step.

    What is unconfirmed is only looked at once more, unless you say --resend. With --full, JOBs are previews,
    and what is delivered next is the whole.

    $ dropscore retry --failed
    $ dropscore retry --failed --class no_music
    $ dropscore retry --unconfirmed --resend
    $ dropscore retry --full inbox/clip.mp4
    """
    from cli.control import make_whole, retry_jobs, select_jobs
    from cli.ledger import open_ledger
    from cli.status import find_job

    if sum((bool(jobs), failed, unconfirmed)) != 1 or (code and not failed):
        raise Unusable("name jobs, or use --failed (with --class CODE for some of them) or --unconfirmed")
    if full and (resend or not jobs):
        raise Unusable("--full needs the previews' names, such as: dropscore retry --full inbox/clip.mp4")
    with open_ledger(load_settings(state_dir=state_dir), about=jobs[0] if jobs else None) as ledger:
        if jobs:
            wanted = [find_job(ledger, one) for one in jobs]
        else:
            wanted = select_jobs(ledger, unconfirmed=unconfirmed, code=code)
        done = make_whole(ledger, wanted) if full else retry_jobs(ledger, wanted, resend=resend)
    print_answer(done, as_json)
    raise typer.Exit(done.exit_code)


@app.command()
def redo(
    jobs: JobsArgument = None,
    missing: Annotated[bool, typer.Option("--missing", help="All whose output is gone.")] = False,
    instruction: InstructionOption = None,
    pay: Annotated[bool, typer.Option("--pay", help="Edit it anew though the cloud is paid for it.")] = False,
    backend: BackendOption = None,
    state_dir: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Do JOBs that are done once more.

    An output that is gone is made again at no cost. Where it is still there, or with -i, the file is edited
    anew, and delivered as its next version beside the first (clip.v2.mp4).

    $ dropscore redo inbox/clip.mp4
    $ dropscore redo --missing
    $ dropscore redo inbox/clip.mp4 -i "happy piano" --backend cloud --pay
    """
    from cli import embedded_redis
    from cli.deliveries import find_gone, redo_jobs
    from cli.ledger import find_state_folder, open_ledger
    from cli.status import find_job

    if bool(jobs) == missing:
        raise Unusable("name files that are done, or use --missing")
    settings = load_settings(chosen_backend=backend, state_dir=state_dir)
    about = jobs[0] if jobs else None
    explain_vague(instruction or (), settings.chosen_skill())
    is_served = bool(settings.redis_url) or embedded_redis.answers(find_state_folder(settings, about))
    with open_ledger(settings, about=about) as ledger:
        wanted = [find_job(ledger, one) for one in jobs] if jobs else find_gone(ledger, settings)
        done = redo_jobs(ledger, wanted, settings, tuple(instruction or ()), may_pay=pay)
    print_answer(done.model_copy(update={"begins_later": not is_served}), as_json)
    raise typer.Exit(done.exit_code)


@app.command()
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
    from cli.control import tweak_job
    from cli.ledger import open_ledger
    from cli.status import find_job

    if not instruction.strip():
        raise Unusable("say what to change, such as: dropscore tweak clip.mp4 'make the music softer'")
    settings = load_settings(state_dir=state_dir)
    with open_ledger(settings, about=job) as ledger:
        found = find_job(ledger, job)
        explain_vague([instruction], settings.all_skills().get(found.spec.skill) or settings.chosen_skill())
        tweaked = tweak_job(ledger, found, instruction.strip())
    print_answer(tweaked, as_json)


@app.command()
def cancel(
    jobs: Annotated[list[str], typer.Argument(metavar="JOB", help="Ids of jobs, or files.")],
    backend: BackendOption = None,
    state_dir: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """End JOBs for good, wherever they are.

    A render that is pending at the service is cancelled there too.

    $ dropscore cancel inbox/clip.mp4
    """
    from cli.account import cancel_renders
    from cli.control import cancel_jobs
    from cli.ledger import open_ledger
    from cli.status import find_job

    settings = load_settings(chosen_backend=backend, state_dir=state_dir)
    with open_ledger(settings, about=jobs[0]) as ledger:
        wanted = [find_job(ledger, one) for one in jobs]
        done = cancel_jobs(ledger, wanted, partial(cancel_renders, settings, ledger))
    print_answer(done, as_json)
    raise typer.Exit(done.exit_code)


@app.command()
def pause(state_dir: StateOption = None, as_json: JsonOption = False) -> None:
    """Start no more steps, on any worker, until `dropscore resume`.

    $ dropscore pause
    """
    from cli import control
    from cli.ledger import open_ledger

    with open_ledger(load_settings(state_dir=state_dir)) as ledger:
        paused = control.pause(ledger)
    print_answer(paused, as_json)


@app.command()
def resume(
    gates: Annotated[list[Gate] | None, typer.Argument(metavar="GATE", help="All, if none is named.")] = None,
    state_dir: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open closed gates, end a pause or a drain.

    Files that wait go on where they stopped.

    $ dropscore resume
    $ dropscore resume credits
    """
    from cli import control
    from cli.ledger import open_ledger
    from jobs.stats import read_stats

    with open_ledger(load_settings(state_dir=state_dir)) as ledger:
        resumed = control.resume(ledger, gates or (), was_draining=read_stats(ledger).draining)
    print_answer(resumed, as_json)


@app.command()
def drain(state_dir: StateOption = None, as_json: JsonOption = False) -> None:
    """Finish what has begun, begin nothing new until the next run.

    $ dropscore drain
    """
    from cli import control
    from cli.ledger import open_ledger

    with open_ledger(load_settings(state_dir=state_dir)) as ledger:
        draining = control.drain(ledger)
    print_answer(draining, as_json)


@app.command()
def forget(
    older_than: Annotated[
        str,
        typer.Option("--older-than", metavar="AGE", help="Such as 90d, 12h or 30m; counted from their end."),
    ],
    state: Annotated[
        list[State] | None,
        typer.Option("--state", metavar="STATE", help="Only this state; repeat it for several."),
    ] = None,
    state_dir: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget jobs that ended long ago; outputs and results stay.

    A source that is still in its inbox is not taken in again.

    $ dropscore forget --older-than 90d --state done
    """
    from cli import control
    from cli.ledger import open_ledger

    age_s = control.parse_age(older_than)
    if age_s is None:
        raise Unusable(f"--older-than: '{older_than}' is not an age; say 90d, 12h or 30m")
    if unended := [one for one in state or () if one not in ENDED]:
        raise Unusable(
            f"--state: jobs that are {unended[0]} have not ended; only those that ended are forgotten"
        )
    with open_ledger(load_settings(state_dir=state_dir)) as ledger:
        forgotten = control.forget(ledger, age_s, state or ())
    print_answer(forgotten, as_json)


@app.command()
def clean(
    sources_too: Annotated[
        bool, typer.Option("--all", help="The studio's copies of sources too; a tweak then needs them again.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="Say what would be removed; remove nothing.")
    ] = False,
    state_dir: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove copies that the state folder keeps and that nobody needs.

    Renders that were delivered, prepared sources, parts of downloads and old logs go; your inbox and outbox
    are not touched. No run may be going on.

    $ dropscore clean -n
    $ dropscore clean
    """
    from cli import control
    from cli.ledger import find_state_folder, open_ledger
    from cli.paths import hold_state
    from jobs.stats import read_stats

    settings = load_settings(state_dir=state_dir)
    with open_ledger(settings) as ledger:
        unfinished = read_stats(ledger).unended
    state = find_state_folder(settings)
    with hold_state(state):
        cleaned = control.clean(state, unfinished=unfinished, sources_too=sources_too, dry_run=dry_run)
    print_answer(cleaned, as_json)


def main() -> NoReturn:
    """Run a command, and turn what it raises into one line and an exit code: the entry point.

    With ``--json`` the line goes to standard error as ever, and an object ``error`` to standard output.
    """
    if sys.platform == "win32":
        _leave(Failure("Windows is not supported; use WSL, or docker compose", 2, "unusable"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no ✓ gets a ?
    try:
        answer = app(standalone_mode=False)
    except TyperException as exc:
        message = getattr(exc, "format_message", exc.__str__)()
        _leave(Failure(message, getattr(exc, "exit_code", 2), "usage"))
    except BrokenPipeError:  # `dropscore results | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KNOWN as exc:
        _leave(describe_failure(exc))
    except (typer.Abort, KeyboardInterrupt):
        _leave(Failure("", 130, "interrupted"))
    sys.exit(answer if isinstance(answer, int) else 0)


def _leave(failure: Failure) -> NoReturn:
    from config.logs import masked

    safe = replace(failure, message=masked(failure.message), rows=tuple(map(masked, failure.rows)))
    if safe.message:
        print(f"dropscore: {safe.message}", file=sys.stderr)
    if "--json" in sys.argv[1:]:  # what was asked for is known here even when it could not be parsed
        print(safe.as_json())
    sys.exit(safe.exit_code)
