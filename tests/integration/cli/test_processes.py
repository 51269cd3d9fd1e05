"""The supervisor and its watchdog, with real children."""

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from cli import processes
from cli.errors import ChildFailed, Unusable
from cli.processes import Child, Supervisor
from tests.patience import allow

pytestmark = pytest.mark.integration


def python(name, code, **more):
    return Child(name, (sys.executable, "-I", "-S", "-c", code), {"PATH": os.defpath}, **more)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(true, within_s=8.0):
    gives_up = time.monotonic() + within_s
    while time.monotonic() < gives_up:
        if true():
            return True
        time.sleep(0.01)
    return bool(true())


@pytest.fixture
def supervisor(tmp_path):
    with closing(Supervisor(tmp_path / "logs")) as made:
        yield made


def looked(supervisor, true):
    def look():
        supervisor.look()
        return true()

    return until(look)


def test_the_exit_code_of_a_natural_end_is_known_after_the_stop(supervisor):
    supervisor.start(python("once", "raise SystemExit(4)", ends=True))
    assert looked(supervisor, lambda: supervisor.ended("once"))
    supervisor.stop("once")
    assert supervisor.exit_code("once") == 4
    assert supervisor.exit_code("never") == 0


class Clock:
    """A clock that goes only when it is told to."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def timed(tmp_path, clock):
    with closing(Supervisor(tmp_path / "logs", clock=clock)) as made:
        yield made


def ends_again(supervisor):
    """Wait for the child's next end, and let the supervisor see it."""
    (running,) = supervisor._children.values()
    running.process.wait(30)
    supervisor.look()


def test_a_child_that_ends_is_started_again_after_a_growing_wait(timed, clock):
    timed.start(python("child", "pass"))
    (running,) = timed._children.values()
    for wait_s in (0.2, 0.4, 0.8, 1.6):
        ends_again(timed)
        clock.now += wait_s - 0.01
        timed.look()
        assert running.process is None
        clock.now += 0.02
        timed.look()
        assert running.process is not None
    with pytest.raises(ChildFailed, match="the child ended 5 times within a minute: exit code 0"):
        ends_again(timed)


def test_a_child_that_ends_now_and_then_is_kept_alive_for_ever(timed, clock):
    timed.start(python("child", "pass"))
    for _ in range(12):
        ends_again(timed)
        clock.now += 20
        timed.look()
    assert [*timed._children] == ["child"]


def test_its_last_words_are_told_without_a_secret(timed, clock):
    timed.start(python("child", "import sys; sys.exit('no entry for nmv_abcdef')"))
    with pytest.raises(ChildFailed, match=r"no entry for nmv_\*\*\* \(more in .*child\.log\)"):
        for _ in range(processes.MAX_ENDS):
            ends_again(timed)
            clock.now += 5
            timed.look()


def test_a_child_that_was_told_nonsense_is_not_started_again(supervisor):
    supervisor.start(
        python("child", "import sys; print('dropscore child: X is no Y', file=sys.stderr); sys.exit(2)")
    )
    with pytest.raises(Unusable, match=r"^X is no Y$"):
        looked(supervisor, lambda: False)


def test_a_natural_end_is_no_failure(supervisor):
    supervisor.start(python("child", "pass", ends=True))
    assert looked(supervisor, lambda: supervisor.ended("child"))
    supervisor.look()
    assert not supervisor.alive("child")


def test_a_program_that_is_not_there_is_one_line(supervisor):
    with pytest.raises(ChildFailed, match="the child does not start: No such file"):
        supervisor.start(Child("child", ("/no/such/program",), {}))


def test_stopping_ends_a_child_that_ignores_it_and_its_own_children(supervisor, tmp_path):
    code = f"""
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
open({str(tmp_path / "pids")!r}, "a").write(f"{{os.getpid()}}\\n")
time.sleep(60)
"""
    supervisor.start(python("child", code))
    assert until(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().count("\n") == 2)
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    began = time.monotonic()
    supervisor.stop("child", within_s=0.3)
    assert time.monotonic() - began < allow(2)
    assert until(lambda: not any(map(alive, pids)))


def test_what_a_dead_child_leaves_running_ends_before_it_is_started_again(supervisor, tmp_path):
    code = f"""
import os, time
if os.fork() == 0:
    open({str(tmp_path / "left")!r}, "a").write(f"{{os.getpid()}}\\n")
    time.sleep(60)
time.sleep(0.3)
"""
    supervisor.start(python("child", code))
    assert until(lambda: (tmp_path / "left").exists() and (tmp_path / "left").read_text().endswith("\n"))
    left = int((tmp_path / "left").read_text().split()[0])
    assert looked(supervisor, lambda: not alive(left))


def test_ctrl_c_at_the_terminal_reaches_no_child(supervisor):
    supervisor.start(python("child", "import time; time.sleep(60)"))
    (running,) = supervisor._children.values()
    assert os.getsid(running.process.pid) == running.process.pid != os.getsid(0)


def test_a_log_that_has_grown_is_put_aside_at_the_next_start(supervisor, monkeypatch):
    monkeypatch.setattr(processes, "KEEP_LOG_BYTES", 1000)
    log = supervisor.log_of("child")
    log.write_text("x" * 2000)
    supervisor.start(python("child", "print('new')", ends=True))
    assert looked(supervisor, lambda: supervisor.ended("child"))
    assert (log.read_text(), len(log.with_suffix(".log.1").read_text())) == ("new\n", 2000)


PARENT = """
import sys, time
from pathlib import Path
from cli.processes import Child, Supervisor
supervisor = Supervisor(Path(sys.argv[1]))
code = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork(); "
code += "print(os.getpid(), flush=True); time.sleep(60)"
supervisor.start(Child("child", (sys.executable, "-I", "-S", "-c", code), {}))
time.sleep(60)
"""


def test_a_killed_parent_takes_even_stubborn_grandchildren_along(tmp_path):
    parent = subprocess.Popen([sys.executable, "-P", "-c", PARENT, str(tmp_path)])
    log = tmp_path / "child.log"
    assert until(lambda: log.exists() and log.read_text().count("\n") == 2)
    pids = [int(line) for line in log.read_text().split()]
    assert all(map(alive, pids))
    parent.kill()
    parent.wait()
    assert until(lambda: not any(map(alive, pids)), processes.WATCHDOG_GRACE_S + 3)


def test_no_secret_is_in_what_a_child_shows_of_itself():
    assert "nmv_x" not in repr(Child("worker", ("python",), {"NEMO_TOKEN": "nmv_x"}))
