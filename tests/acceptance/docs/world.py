"""A reader's machine: a home, a fresh copy of the project, and what a page says is there."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from cli.embedded_redis import find_program
from tests import s3
from tests.pages import ROOT, Block, Command, expected

COPIED = (
    "Makefile",
    "pyproject.toml",
    "requirements",
    "docker",
    "docker-compose.yml",
    ".env.example",
    "docs",
)
BIN = Path(sys.executable).parent
LONGEST_S = 100.0
BUCKETS = "https://minio.example:9000"
LEDGER, TOKEN = "ledger.example:6379", "nmv_your_token"
QUICK = {
    "DROPSCORE_POLL_INTERVAL": "0.3",
    "DROPSCORE_SETTLE": "0.3",
}  # a page's minutes need not be waited for


class World:
    """A home and a copy of the project in it; commands are run one after the other, as in one shell."""

    def __init__(self, folder: Path, clip: Path, *, on_path: bool) -> None:
        """Make it below ``folder``; ``on_path`` = the reader has ``dropscore`` on the path already."""
        self.home, self._clip = folder / "home", clip
        self.folder = self.home / "dropscore"
        self.folder.mkdir(parents=True)
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, self.folder / name)
        (self.folder / ".venv").symlink_to(BIN.parent)
        path = f"{BIN}:{os.environ['PATH']}" if on_path else os.environ["PATH"]
        kept = {name: os.environ[name] for name in ("TMPDIR", "LANG") if name in os.environ}
        self.environment = {**kept, **QUICK, "HOME": str(self.home), "PATH": path, "PYTHONUTF8": "1"}

    def run(self, block: Block) -> None:
        """Run a block's commands; what is not as the page says fails with both."""
        for name in block.given:
            self._give(Path(name.replace("~", str(self.home), 1)))
        with self._beside(block) as words:
            for command in block.commands:
                self._run(block, command, words)

    def _give(self, folder: Path) -> None:
        there = self.folder / folder
        if not there.exists():
            there.mkdir(parents=True)
            # Made different from those of other folders, by a box that players skip: the same is no new work.
            word = str(folder).encode()
            box = (8 + len(word)).to_bytes(4, "big") + b"free" + word
            (there / "clip.mp4").write_bytes(self._clip.read_bytes() + box)

    def _run(self, block: Block, command: Command, words: dict[str, str]) -> None:
        text = command.text
        for word, real in words.items():
            text = text.replace(word, real)
        said, code = self._stopped(text, command) if command.is_stopped else self._ended(text)
        where = f"{block.page.name}:{block.line}: $ {command.text}\n"
        # Celery answers a Ctrl-C with 1 while it starts; what ends by itself is found in `_wait`.
        wanted = (0, 1, 130) if command.is_stopped else (command.exit_code,)
        assert code in wanted, f"{where}ended with {code}\n{said}"
        for line in command.shown:
            assert expected(line).search(said), f"{where}did not print:\n{line}\nbut:\n{said}"

    def _ended(self, text: str) -> tuple[str, int]:
        """Run a line to its end; what it exported and where it went stays for the next."""
        kept = self.home / ".environment"
        script = f"{text}\ncode=$?; env -0 > {kept}; exit $code"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        pairs = (pair.partition("=") for pair in kept.read_text().split("\0") if pair)
        mine = ("_", "SHLVL", "PWD", "OLDPWD")
        self.environment = {name: value for name, _, value in pairs if name not in mine}
        return done.stdout, done.returncode

    def _stopped(self, text: str, command: Command) -> tuple[str, int]:
        """Run a line until it has said what the page shows (else until it is idle), then press Ctrl-C."""
        with (self.home / ".said").open("w+b") as out:
            process = subprocess.Popen(
                ["bash", "-c", text],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                self._wait(process, command)
                os.killpg(process.pid, signal.SIGINT)
                code = process.wait(60)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            return self._said(), code

    def _said(self) -> str:
        return (self.home / ".said").read_text(encoding="utf-8", errors="replace")

    def _wait(self, process: "subprocess.Popen[bytes]", command: Command) -> None:
        least, gives_up = time.monotonic() + 6.0, time.monotonic() + LONGEST_S / 2
        used_s = -1.0
        while process.poll() is None and time.monotonic() < gives_up:
            missing = [line for line in command.shown if not expected(line).search(self._said())]
            if not missing and command.shown:
                return
            if not missing and time.monotonic() > least:
                before, used_s = used_s, _cpu_s(process.pid)
                if used_s - before < 0.1:  # on a busy machine a start takes longer than 6 s
                    return
                least = time.monotonic() + 2.0
            time.sleep(0.1)
        assert process.poll() is None, f"ended by itself, before Ctrl-C:\n{self._said()}"

    @contextmanager
    def _beside(self, block: Block) -> Iterator[dict[str, str]]:
        """What a block's marks ask for, and the page's words with what they stand for here."""
        before, words = self.environment, {}
        with ExitStack() as stack:
            if block.has("redis"):
                words[LEDGER] = stack.enter_context(_redis(self.home))
            if block.has("cloud"):
                url, words[TOKEN] = stack.enter_context(_studio(self.home))
                self.environment = {**before, "NEMO_API_URL": url, "DROPSCORE_STATE_DIR": ".cloud"}
            if block.has("s3"):
                words[BUCKETS], log = stack.enter_context(s3.serving(self.home))
                s3.bucket_of(words[BUCKETS], log, "clips").put("in/clip.mp4", self._clip.read_bytes())
            yield words
        if words:  # what was exported there names what is gone
            self.environment = before


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    """A server with the password that the pages name; its host and port."""
    port = _free_port()
    argv = [str(find_program()), "--port", str(port), "--bind", "127.0.0.1", "--requirepass", "PASSWORD"]
    server = subprocess.Popen([*argv, "--save", "", "--dir", str(folder)], stdout=subprocess.DEVNULL)
    try:
        _answers(port)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


@contextmanager
def _studio(folder: Path) -> Iterator[tuple[str, str]]:
    """A studio in NemoVideo's place; its address, and a token of an account there."""
    port = _free_port()
    argv = [sys.executable, "-P", "-m", "studio", "--port", str(port), "--root", str(folder / "service")]
    service = subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _answers(port)
        url = f"http://127.0.0.1:{port}"
        ask = urllib.request.Request(  # noqa: S310 - our own studio
            f"{url}/api/auth/anonymous-token", method="POST", headers={"X-Client-Id": str(uuid.uuid4())}
        )
        with urllib.request.urlopen(ask, timeout=10) as answer:  # noqa: S310 - our own studio
            yield url, json.load(answer)["data"]["token"]
    finally:
        service.terminate()
        service.wait(10)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _answers(port: int) -> None:
    gives_up = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < gives_up, "a server of the test does not start"
            time.sleep(0.05)


def _cpu_s(group: int) -> float:
    """Seconds of a core that the processes of a group have used."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12]) if int(fields[2]) == group else 0
    return ticks / os.sysconf("SC_CLK_TCK")
