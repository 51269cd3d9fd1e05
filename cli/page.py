"""The page as a process: ``dropscore web``, and the part of ``dropscore run --web``.

Its commands are those of the command line, so that both say the same words.
"""

import argparse
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

import uvicorn

from cli import control
from cli.account import cancel_renders
from cli.choose import NeedsConsent, choose_for_file, choose_for_folder
from cli.control import Answer, CommandedJobs
from cli.deliveries import find_gone, redo_jobs
from cli.errors import Unusable
from cli.ledger import open_ledger
from config import logs
from config.settings import Settings, load
from config.skills import MAX_BYTES
from jobs import versions
from jobs.errors import LedgerError
from jobs.ledger import Ledger
from jobs.model import Gate
from jobs.overview import read_overview
from producer.scan import Rules
from storage import is_remote
from web import server
from web.previews import Mood, NoPreview
from web.uploads import Uploads

PREVIEW_S = 120.0
MOST_SHRUNK_BYTES = 50 * 10**9
"""What a source may have that is made smaller before it is sent."""


@dataclass(frozen=True, slots=True)
class LedgerCommands:
    """What the page may do to a ledger; see `web.server.Commands`."""

    ledger: Ledger
    settings: Settings

    def retry(self, jobs: Sequence[str], *, resend: bool) -> server.Answer:
        """Let jobs go on, each by itself."""
        return _answer(control.retry_jobs(self.ledger, self.ledger.many(jobs), resend=resend))

    def cancel(self, jobs: Sequence[str]) -> server.Answer:
        """End jobs for good, and their renders at the service."""
        at_service = partial(cancel_renders, self.settings, self.ledger)
        return _answer(control.cancel_jobs(self.ledger, self.ledger.many(jobs), at_service))

    def tweak(self, job: str, sentence: str) -> server.Answer:
        """Give one more instruction to a job that is done."""
        return _try(lambda: control.tweak_job(self.ledger, self.ledger.get(job), sentence))

    def keep(self, job: str, others: Sequence[str]) -> server.Answer:
        """Let a version stay in the outbox."""
        try:
            kept = versions.keep(self.ledger, job, others)
        except LedgerError as exc:
            return server.Answer(errors=(str(exc),))
        except OSError as exc:
            return server.Answer(errors=(f"{exc.filename}: it cannot be moved ({exc.strerror})",))
        return server.Answer((f"{Path(kept.spec.output).name} stays; other versions stepped aside",))

    def preview(self, source: str, moods: Sequence[str], folder: Path) -> tuple[Mood, ...]:
        """Make previews in a process of their own, so that the page stays quick; raises NoPreview."""
        make = ("preview", source, "--moods", ",".join(moods), "--out", str(folder), "--json")
        command = (sys.executable, "-P", "-c", "from cli.main import main; main()", *make)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PREVIEW_S, check=False)
            said = json.loads(done.stdout)
        except (OSError, ValueError, subprocess.TimeoutExpired) as exc:
            raise NoPreview("the previews could not be made here") from exc
        if done.returncode:
            raise NoPreview(str(said.get("error", {}).get("message", "the previews could not be made")))
        return tuple(
            Mood(one["mood"], one["instruction"], Path(one["path"]), one["said"]) for one in said["previews"]
        )

    def choose(self, job: str, instruction: str, *, to_folder: bool, may_pay: bool) -> server.Answer:
        """Ask for the music that was chosen, for a file or for its folder."""
        act = choose_for_folder if to_folder else choose_for_file
        try:
            found = self.ledger.get(job)
            return _answer(act(self.ledger, found, self.settings, instruction, may_pay=may_pay))
        except NeedsConsent as exc:
            return server.Answer(question=str(exc))
        except (LedgerError, Unusable) as exc:
            return server.Answer(errors=(str(exc),))

    def restore(self) -> server.Answer:
        """Make outputs that are gone again, at no cost."""
        gone = find_gone(self.ledger, self.settings)
        return _answer(redo_jobs(self.ledger, gone, self.settings, (), may_pay=False))

    def pause(self) -> server.Answer:
        """Start no step any more."""
        return _answer(control.pause(self.ledger))

    def resume(self, gate: str | None) -> server.Answer:
        """Open this gate or all, and end a drain."""
        gates = [Gate(gate)] if gate in set(Gate) else []
        draining = read_overview(self.ledger).draining
        return _answer(control.resume(self.ledger, gates, was_draining=draining))

    def drain(self) -> server.Answer:
        """Finish what has begun."""
        return _answer(control.drain(self.ledger))


def _try(act: Callable[[], Answer]) -> server.Answer:
    try:
        return _answer(act())
    except LedgerError as exc:
        return server.Answer(errors=(str(exc),))


def _answer(answer: Answer) -> server.Answer:
    """The words of an answer; what was refused is told apart."""
    jobs = answer.jobs if isinstance(answer, CommandedJobs) else ()
    errors = tuple(f"{Path(one.source).name}: {one.error['message']}" for one in jobs if one.error)
    lines = () if errors and len(errors) == len(jobs) else tuple(answer.lines())
    return server.Answer(lines, errors)


def refuse_name(rules: Rules, part: str, kind: str) -> str:
    """Say why the producer would pass over a folder or a file of that name; empty when it would not."""
    if not rules.takes_name(part):
        return "such a name is passed over in an inbox"
    if kind == "file" and not rules.takes_media(part):
        return "this is no video, sound or picture, by its name"
    return ""


class PageServer(uvicorn.Server):
    """Ends the streams of events first, so that no open page keeps the process."""

    def __init__(self, page: server.Page) -> None:
        """Serve this page."""
        self._page = page
        config = uvicorn.Config(
            page.app,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=3,
            timeout_keep_alive=30,
        )
        super().__init__(config)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop."""
        self._page.close()
        super().handle_exit(sig, frame)


def serve(
    settings: Settings, inboxes: Sequence[str], places: Sequence[str], listening: socket.socket
) -> None:
    """Serve the page until a signal; ``places`` are the folders whose media it may show.

    Raises:
        Unusable, LedgerUnreachable: there is no ledger.
    """
    logs.configure(settings.log_level, settings.log_json)
    rules = Rules(ignore=settings.ignore, only=settings.only)
    most_bytes = MOST_SHRUNK_BYTES if settings.shrink else MAX_BYTES
    with open_ledger(settings) as ledger:
        password = settings.web_password.get_secret_value() if settings.web_password else None
        if password:
            logs.register_secret(password)
        options = server.PageOptions(
            places=tuple(Path(place).resolve() for place in places if not is_remote(place)),
            inboxes=tuple(
                Uploads(
                    Path(inbox),
                    refuse=partial(refuse_name, rules),
                    most_bytes=most_bytes,
                )
                for inbox in inboxes
                if not is_remote(inbox)
            ),
            previews=settings.state_dir.absolute() / "previews" if find_spec("studio.music") else None,
            counts_gone=settings.restore,
            backend=settings.backend,
            flower_url=settings.flower_url,
            names=settings.web_names,
            password=password,
        )
        page = server.Page(ledger, LedgerCommands(ledger, settings), options)
        PageServer(page).run(sockets=[listening])


def main() -> None:
    """Serve the page of one inbox on a socket that `dropscore run` opened."""
    parser = argparse.ArgumentParser(prog="cli.page")
    parser.add_argument("inbox")
    parser.add_argument("--outbox", required=True)
    parser.add_argument("--fd", type=int, required=True)
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run counts Ctrl-C, and ends its parts
    serve(load(), [given.inbox], [given.inbox, given.outbox], socket.socket(fileno=given.fd))


if __name__ == "__main__":
    main()
