"""What a person has done before a file is submitted and after its output was delivered."""

import errno
import os
import shlex
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from jobs.ledger import Ledger
from jobs.model import Job, State
from jobs.sources import Sources
from producer.errors import SourceChanged, SourceGone
from producer.fingerprint import full_hash
from producer.outputs import read_delivery
from producer.prepare import is_same_content, note_of
from producer.roots import WatchedRoot
from producer.scan import look_at
from storage import is_remote, rename_without_replacing
from storage.mounts import is_unmounted

TIMEOUT_S = 600.0
_OVERLAP_S = 5.0  # two hosts' writes may come a little out of order
_COPY_SUFFIX = ".dropscore-moving.part"

log = structlog.get_logger(__name__)


def run_before(command: str, source: str) -> bool:
    """Return whether the file may be submitted: the program was run with its path, and ended with 0."""
    return not command or _run(command, source, {"DROPSCORE_SOURCE": source})


def _run(command: str, path: str, more: dict[str, str]) -> bool:
    """Run a program with a path as its last argument, without a shell and without our secrets."""
    secret = ("NEMO_TOKEN", "DROPSCORE_REDIS_URL", "DROPSCORE_NOTIFY", "DROPSCORE_FLOWER_AUTH")
    environment = {name: value for name, value in os.environ.items() if name not in secret}
    argv = [*shlex.split(command), path]
    try:
        done = subprocess.run(
            argv,
            env={**environment, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as exc:
        log.warning("the hook does not run", hook=argv[0], path=path, why=str(exc)[:200])
        return False
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        log.warning("the hook failed", hook=argv[0], path=path, status=done.returncode, said=last[:200])
    return done.returncode == 0


@dataclass(frozen=True, slots=True)
class AfterDelivery:
    """What is done with a file that is done: the program that is run, and where its original goes.

    ``mount`` is the mount point of the folder of the originals.
    """

    hook: str = ""
    move_done: str = ""
    mount: str = "/"

    def __bool__(self) -> bool:
        """Return whether anything is."""
        return bool(self.hook or self.move_done)


class DeliveryWatcher:
    """Sees jobs of some roots end well, and does once for each what was asked for.

    How far it came is kept in a file of the state folder: what was delivered while no producer ran is dealt
    with by the next. After a kill the hook may run a second time for the last file.
    """

    def __init__(
        self, ledger: Ledger, roots: tuple[WatchedRoot, ...], after: AfterDelivery, cursor_file: Path
    ) -> None:
        """Begin where the last producer stopped; without one, with what is delivered from now on."""
        self._ledger, self._after = ledger, after
        self._roots = tuple(root.path.rstrip("/") for root in roots)
        self._cursor_file = cursor_file
        self._since = ledger.now()
        self._handled: dict[str, float] = {}
        with suppress(OSError, ValueError):
            first, *handled = cursor_file.read_text(encoding="ascii").splitlines()
            self._since = float(first)
            self._handled = dict.fromkeys(handled, self._since)

    @property
    def is_needed(self) -> bool:
        """Return whether anything is done with what is delivered."""
        return bool(self._after)

    def handle_delivered(self) -> None:
        """Do what is asked for with every file that was delivered since; raises LedgerUnreachable."""
        if not self._after:
            return
        newest, known = self._since, len(self._handled)
        for job in self._ledger.changed_since(State.DONE, self._since - _OVERLAP_S):
            root = next((root for root in self._roots if job.spec.source.startswith(f"{root}/")), None)
            if job.id not in self._handled and root is not None:
                if self._after.hook:
                    more = {"DROPSCORE_SOURCE": job.spec.source, "DROPSCORE_RESULT": job.spec.result}
                    _run(self._after.hook, job.spec.output, more)
                if self._after.move_done and not is_remote(job.spec.source):
                    self._move_original(job, root)
            self._handled[job.id] = job.updated
            newest = max(newest, job.updated)
        if newest > self._since or len(self._handled) > known:
            self._since = newest
            oldest = newest - _OVERLAP_S
            self._handled = {job_id: at for job_id, at in self._handled.items() if at >= oldest}
            self._cursor_file.parent.mkdir(parents=True, exist_ok=True)
            part = self._cursor_file.with_suffix(".part")
            part.write_text("\n".join([repr(newest), *self._handled]), encoding="ascii")
            part.replace(self._cursor_file)

    def _move_original(self, job: Job, root: str) -> None:
        source = job.spec.source
        try:
            if not self._is_as_sent(job):
                raise SourceChanged("it was written again since it was sent")
            if is_unmounted(self._after.move_done, self._after.mount):
                raise OSError(errno.ENODEV, f"{self._after.mount} is not mounted")
            if moved := move_original(source, root, self._after.move_done):
                log.info("moved the original", source=source, to=moved)
        except SourceGone as exc:
            log.debug("the original is not there", source=source, why=str(exc))
        except (SourceChanged, OSError) as exc:
            why = getattr(exc, "strerror", None) or str(exc)
            log.warning("the original stays", source=source, why=why)

    def _is_as_sent(self, job: Job) -> bool:
        """Return whether an original still is what was sent; read only where its size and time do not tell.

        The ledger keeps no more of a job that is done than what marked its source as seen. Raises SourceGone.
        """
        source, sources = job.spec.source, Sources(self._ledger)
        found, (mark,) = look_at(source), sources.seen([source])
        if found is None or mark is None or mark[1] != job.id:
            raise SourceGone(f"{source}: not there any more, or the source of another job meanwhile")
        if is_same_content(mark[0], note_of(found, "")) and not sources.is_rewritten(source, job.id):
            return True
        delivery = read_delivery(job.spec.output)
        return delivery is not None and delivery.source_sha256 == full_hash(source)


def move_original(source: str, root: str, folder: str) -> str:
    """Move a source that is done below a folder, to the place it had below its root; returns where it is.

    A file that is there is never replaced: the next version gets ``.v2``. "" when there are too many of them.

    Raises:
        OSError: the folder cannot be written to.
    """
    inside = source[len(root) :].strip("/")
    target = Path(folder, inside)
    target.parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        name = target if number == 1 else target.with_name(f"{target.stem}.v{number}{target.suffix}")
        try:
            _move(source, str(name))
        except FileExistsError:
            continue
        return str(name)
    return ""


def _move(source: str, target: str) -> None:
    try:
        rename_without_replacing(source, target)
    except OSError as exc:
        if exc.errno != errno.EXDEV:
            raise
        part = f"{target}{_COPY_SUFFIX}"
        shutil.copy2(source, part)
        with open(part, "rb") as file:  # noqa: PTH123 (plain strings)
            os.fsync(file.fileno())
        try:
            rename_without_replacing(part, target)
        finally:
            Path(part).unlink(missing_ok=True)
        os.unlink(source)  # noqa: PTH108 (plain strings)
