"""``dropscore run``: real processes and a real server, stand-ins for the parts that do the work."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from cli import embedded_redis, processes
from jobs.redis import connect, ping

COMMAND = (sys.executable, "-P", "-c", "from cli.main import main; main()")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="reads processes from /proc"),
]


def begins(place, within_s=20.0):
    gives_up = time.monotonic() + within_s
    while not json.loads(place.run("status", "--json").stdout)["states"]["running"]:
        assert time.monotonic() < gives_up


def waits_for(place, count, within_s=15.0):
    gives_up = time.monotonic() + within_s
    while place.done() < count:
        assert time.monotonic() < gives_up, f"only {place.done()} of {count} outputs"
        time.sleep(0.02)


def test_once_does_everything_and_says_what_became_of_it(place):
    place.drop("a.mp4", "b.mp4", "bad.mp4", "fail-1.mp4")
    (place.inbox / "twin.mp4").write_text("a.mp4")
    ended = place.run("run", "inbox", "--once")
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr == ""
    assert place.done() == 2
    told = [line.partition(" a.mp4: ")[2] for line in ended.stdout.splitlines() if " a.mp4: " in line]
    assert told[:6] == ["upload", "edit", "verify", "render", "poll", "download"]
    assert told[6].startswith("done in")
    assert len(told) == 7
    assert "fail-1.mp4: failed: the edit was refused. say it otherwise." in ended.stdout
    assert "twin.mp4: the same as a.mp4 -> outbox/a.mp4" in ended.stdout
    last = ended.stdout.splitlines()[-2:]
    assert last == [
        "2 done, 2 failed. Results are in outbox",
        "To try again what failed: dropscore retry --failed",
    ]
    assert place.alive() == {}


def test_again_finds_nothing_new_and_still_shows_what_failed(place):
    place.drop("a.mp4", "fail-1.mp4")
    place.run("run", "inbox", "--once")
    again = place.run("run", "inbox", "--once")
    assert again.returncode == 0  # nothing of this run went wrong
    assert "Nothing new to do. 1 from earlier runs still to be seen to." in again.stdout


def test_where_nothing_is_new_nobody_is_started_to_work(place):
    place.drop("a.mp4")
    place.run("run", "inbox", "--once")
    worker = place.state / "logs" / "worker.log"
    worker.unlink()
    assert "Nothing new to do" in place.run("run", "inbox", "--once").stdout
    assert not worker.exists()
    place.drop("b.mp4")
    assert place.run("run", "inbox", "--once").returncode == 0
    assert place.done() == 2


@pytest.mark.parametrize(("word", "code"), [("credits", 4), ("auth", 7)])
def test_a_gate_only_a_person_opens_ends_the_run_with_its_code(place, word, code):
    place.drop(f"{word}-1.mp4", "a.mp4")
    ended = place.run("run", "inbox", "--once")
    assert ended.returncode == code
    assert place.done() == 1
    assert f"1 file waiting: The {word} gate is closed. Add some." in ended.stdout
    assert "run the same command again" in ended.stdout


def test_one_interrupt_finishes_what_runs_and_starts_nothing_new(place):
    place.drop(*(f"clip-{n}.mp4" for n in range(6)))
    process = place.start("run", "inbox", STANDIN_PACE="0.15")
    waits_for(place, 1)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert err == ""
    assert "starting nothing new" in out
    assert process.returncode == 130  # work is left
    first = place.done()
    assert 1 <= first < 6
    assert place.alive() == {}
    assert place.run("run", "inbox", "--once").returncode == 0
    assert place.done() == 6


def test_an_interrupt_does_not_wait_for_files_that_a_person_holds_back(place):
    place.drop("credits-1.mp4")
    process = place.start("run", "inbox")
    assert any("waiting: The credits gate is closed." in line for line in process.stdout)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_an_interrupt_with_nothing_left_to_do_is_a_normal_end(place):
    place.drop("a.mp4")
    process = place.start("run", "inbox")
    waits_for(place, 1)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "1 done. Results are in outbox" in out


def test_a_second_interrupt_stops_now_and_loses_nothing(place):
    place.drop(*(f"clip-{n}.mp4" for n in range(3)))
    process = place.start("run", "inbox", STANDIN_PACE="2", DROPSCORE_LEASE="2")
    worker = place.pid_of("-m worker")
    begins(place)
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.2)
    began = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - began < 8
    assert "Nothing is lost" in out
    assert worker not in place.alive()
    assert place.alive() == {}


def test_no_child_survives_a_killed_run(place):
    place.drop("a.mp4")
    process = place.start("run", "inbox")
    for word in ("valkey-server", "-m worker", "-m producer", "-m studio"):
        place.pid_of(word)
    process.kill()
    process.communicate()
    gives_up = time.monotonic() + 6
    while place.alive() and time.monotonic() < gives_up:
        time.sleep(0.05)
    assert place.alive() == {}
    assert place.run("run", "inbox", "--once").returncode == 0


def test_a_second_run_on_the_same_state_folder_says_so(place):
    process = place.start("run", "inbox")
    place.pid_of("-m producer")
    place.drop("a.mp4")
    second = place.run("run", "inbox", "--once")
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert f"(process {process.pid})" in second.stderr
    assert "--state-dir" in second.stderr


@pytest.mark.parametrize("word", ["-m worker", "valkey-server"])
def test_a_child_that_is_killed_is_started_again_and_the_work_is_done(place, word):
    place.drop(*(f"clip-{n}.mp4" for n in range(3)))
    process = place.start("run", "inbox", "--once", STANDIN_PACE="0.2", DROPSCORE_LEASE="1")
    first = place.pid_of(word)
    time.sleep(0.8)
    os.kill(first, signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert place.done() == 3
    assert place.alive() == {}


def test_a_child_that_keeps_dying_ends_the_run_with_its_last_words(place):
    place.drop("a.mp4")
    ended = place.run("run", "inbox", "--once", STANDIN_PACE="no number")
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "the worker ended 5 times within a minute: ValueError" in ended.stderr
    assert "worker.log" in ended.stderr
    assert place.alive() == {}


def test_a_server_that_a_killed_run_left_behind_is_in_nobodys_way(place):
    place.drop("a.mp4")
    place.run("run", "inbox", "--once")
    command = "from cli.embedded_redis import make_child; import sys, pathlib, os; "
    command += "c = make_child(pathlib.Path(sys.argv[1])); "
    command += "os.chdir(c.cwd); os.execv(c.argv[0], c.argv)"
    left = subprocess.Popen(
        [sys.executable, "-P", "-c", command, str(place.state)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=place.folder,
    )
    place.pid_of("valkey-server")
    place.drop("b.mp4")
    assert place.run("run", "inbox", "--once").returncode == 0
    left.wait(30)
    assert place.done() == 2


def test_the_users_token_goes_to_no_local_studio_and_into_no_argument(place):
    place.drop("a.mp4")
    token = "nmv_" + "s" * 20
    process = place.start(
        "run", "inbox", "--backend", "local", NEMO_TOKEN=token, NEMO_API_URL="https://x.example"
    )
    told = {word: place.pid_of(word) for word in ("-m worker", "-m producer", "-m studio", "valkey-server")}
    time.sleep(0.3)
    for word, pid in told.items():
        environment = Path(f"/proc/{pid}/environ").read_text()
        assert token not in environment, word
        assert token not in Path(f"/proc/{pid}/cmdline").read_text()
    worker = Path(f"/proc/{told['-m worker']}/environ").read_text()
    assert "NEMO_API_URL=http://127.0.0.1:" in worker
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert token not in out + err + "".join(log.read_text() for log in (place.state / "logs").iterdir())


def test_the_cloud_starts_no_studio_and_the_worker_gets_the_token(place):
    place.drop("a.mp4")
    token = "nmv_" + "s" * 20
    process = place.start("run", "inbox", NEMO_TOKEN=token)
    worker = place.pid_of("-m worker")
    time.sleep(0.3)
    assert f"NEMO_TOKEN={token}" in Path(f"/proc/{worker}/environ").read_text()
    assert not any("-m studio" in line for line in place.alive().values())
    assert not any(token in line for line in place.alive().values())
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert "NemoVideo" in out


def test_the_studio_keeps_its_address_from_run_to_run(tmp_path):
    with processes.open_studio_socket(tmp_path) as first:
        address = processes.socket_url(first)
        waits = []

        def killed_run_ends(wait_s):
            waits.append(wait_s)
            first.close()

        with processes.open_studio_socket(tmp_path, killed_run_ends) as second:
            assert processes.socket_url(second) == address == processes.find_studio_url(tmp_path)
            assert len(waits) == 1
            with processes.open_studio_socket(tmp_path, waits.append) as third:
                assert processes.socket_url(third) != address
                assert processes.find_studio_url(tmp_path) == processes.socket_url(third)
    (tmp_path / "studio.port").write_text("99999")
    with processes.open_studio_socket(tmp_path) as odd:
        assert processes.socket_url(odd) != "http://127.0.0.1:99999"


def test_several_instructions_reach_the_parts_in_their_order(place):
    place.drop("a.mp4")
    process = place.start("run", "inbox", "-i", "calm music", "-i", "fade out", "--settle", "0.5")
    producer = place.pid_of("-m producer")
    time.sleep(0.3)
    environment = Path(f"/proc/{producer}/environ").read_text().split("\0")
    assert "DROPSCORE_INSTRUCTION=calm music\nfade out" in environment
    assert "DROPSCORE_SETTLE=0.5" in environment
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)


def test_log_json_streams_the_parts_logs_and_keeps_the_lines_apart(place):
    place.drop("a.mp4")
    ended = place.run("run", "inbox", "--once", "--log-json")
    assert ended.returncode == 0
    assert "studio told" in ended.stderr
    assert "a.mp4: done in" in ended.stdout


def test_status_and_results_while_it_runs_and_afterwards(place):
    place.drop("a.mp4", "fail-1.mp4")
    process = place.start("run", "inbox")
    waits_for(place, 1)
    during = json.loads(place.run("status", "--json").stdout)
    assert during["total"] == 2
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    after = json.loads(place.run("status", "--json").stdout)
    assert (after["states"]["done"], after["states"]["failed"]) == (1, 1)
    told = place.run("status", "inbox/a.mp4").stdout
    assert "download" in told
    one = json.loads(place.run("status", "inbox/fail-1.mp4", "--json").stdout)
    assert one["error"]["code"] == "refused"
    listed = json.loads(place.run("results", "--state", "done", "--json").stdout)
    assert [row["state"] for row in listed] == ["done"]
    assert place.alive() == {}


def test_status_where_nothing_was_run_says_so(place):
    ended = place.run("status")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "nothing was run here yet" in ended.stderr
    assert not place.state.exists()


def test_a_redis_address_where_nobody_answers_is_one_line_without_its_password(place):
    place.drop("a.mp4")
    ended = place.run("run", "inbox", "--once", DROPSCORE_REDIS_URL="redis://:hunter2@127.0.0.1:1/0")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "DROPSCORE_REDIS_URL" in ended.stderr
    assert "hunter2" not in ended.stderr


def test_a_server_of_ones_own_is_used_and_left_running(place):
    command = "from cli.embedded_redis import find_program; import os; p = str(find_program()); "
    command += "os.execv(p, [p, '--port', '0', '--unixsocket', os.environ['AT'], '--save', ''])"
    at = Path(tempfile.mkdtemp()) / "own.sock"  # tmp_path may be too long for a socket
    server = subprocess.Popen(
        [sys.executable, "-P", "-c", command],
        env={**os.environ, "AT": str(at)},
        stdout=subprocess.DEVNULL,
        cwd="/",
    )
    try:
        client = connect(f"unix://{at}")
        gives_up = time.monotonic() + 30
        while not at.exists() and time.monotonic() < gives_up:
            time.sleep(0.05)
        assert ping(client)
        place.drop("a.mp4")
        assert place.run("run", "inbox", "--once", DROPSCORE_REDIS_URL=f"unix://{at}").returncode == 0
        assert ping(client)
        client.close()
        assert not (place.state / "appendonlydir").exists()
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(at.parent)


def test_orders_between_runs_are_found_by_the_next(place):
    place.drop("fail-1.mp4")
    process = place.start("run", "inbox")
    assert any(": failed" in line for line in process.stdout)
    assert place.run("retry", "--failed", "--class", "Other").stdout == "nothing to retry\n"
    assert (
        place.run("retry", "--failed", "--class", "Refused").stdout == "inbox/fail-1.mp4: goes on at edit\n"
    )
    assert any(": failed" in line for line in process.stdout)  # the running run heeds it at once
    assert place.run("pause").stdout == "paused; to go on: dropscore resume\n"
    (gate,) = json.loads(place.run("status", "--json").stdout)["gates"]
    assert (gate["gate"], gate["next_probe"]) == ("paused", None)
    assert "The paused gate has been closed since" in place.run("status").stdout
    assert place.run("resume", "paused").stdout == "paused: open, 0 files going on\n"
    assert place.run("resume").stdout == "nothing is held back\n"
    refused = place.run("cancel", "inbox/fail-1.mp4")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)


def test_a_closed_terminal_stops_the_run_and_nohup_keeps_it(place):
    process = place.start("run", "inbox")
    place.pid_of("-m producer")
    os.kill(process.pid, signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 130
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = place.start("run", "inbox")
    finally:
        signal.signal(signal.SIGHUP, former)
    place.pid_of("-m producer")
    os.kill(process.pid, signal.SIGHUP)
    time.sleep(0.5)
    assert process.poll() is None


def test_while_paid_edits_are_open_a_second_interrupt_asks_for_a_third(place):
    place.drop("open-1.mp4")
    process = place.start("run", "inbox", NEMO_TOKEN="nmv_" + "s" * 20)
    assert any(": edit" in line for line in process.stdout)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert any("starting nothing new" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    asked = "1 paid edit is open; stopping now may leave it unconfirmed. Ctrl-C once more to stop."
    assert any(asked in line for line in process.stdout)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Nothing is lost" in out


def test_a_run_says_when_it_connects_to_the_cloud_and_when_the_first_session_is_open(place):
    place.drop("a.mp4", "b.mp4")
    lines = place.run("run", "inbox", "--once", NEMO_TOKEN="nmv_" + "s" * 20).stdout.splitlines()
    assert lines.count("Connecting to NemoVideo...") == lines.count("Ready!") == 1
    assert lines.index("Connecting to NemoVideo...") < lines.index("Ready!")
    place.drop("c.mp4")
    assert "Connecting" not in place.run("run", "inbox", "--once", DROPSCORE_BACKEND="local").stdout


def test_a_ledger_that_is_emptied_under_a_run_is_no_success(place):
    place.drop("open-1.mp4")
    process = place.start("run", "inbox", "--once")
    assert any(": edit" in line for line in process.stdout)
    time.sleep(0.5)
    client = connect(embedded_redis.socket_url(place.state))
    client.flushall()
    client.close()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "1 file taken in, but the ledger no longer knows them" in out


def test_the_state_of_a_file_is_found_from_another_folder(place, tmp_path_factory):
    place.drop("a.mp4")
    place.run("run", "inbox", "--once")
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    def there(*arguments):
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=elsewhere,
            env=place.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    assert json.loads(there("status", "--json").stdout)["states"]["done"] == 1  # of the only run there is
    assert json.loads(there("status", str(place.inbox / "a.mp4"), "--json").stdout)["state"] == "done"
    tweaked = json.loads(there("tweak", str(place.inbox / "a.mp4"), "softer", "--json").stdout)
    assert tweaked["output"] == str(place.folder / "outbox" / "a.v2.mp4")
    assert place.run("run", "inbox", "--once").returncode == 0
    assert (place.folder / "outbox" / "a.v2.mp4").exists()


def test_what_ended_long_ago_is_forgotten_and_not_taken_in_again(place):
    place.drop("a.mp4", "fail-1.mp4")
    place.run("run", "inbox", "--once")
    assert place.run("forget", "--older-than", "1h").stdout.startswith("0 jobs forgotten")
    refused = place.run("forget", "--older-than", "soon")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert place.run("forget", "--older-than", "0s", "--state", "queued").returncode == 2
    done = place.run("forget", "--older-than", "0s", "--state", "done")
    assert done.stdout == "1 job forgotten; outputs and results stay\n"
    assert place.done() == 1
    assert "1 failed" in place.run("status").stdout


def test_clean_removes_copies_and_leaves_inbox_and_outbox_alone(place):
    place.drop("a.mp4")
    place.run("run", "inbox", "--once")
    for name in ("studio/renders/r.mp4", "studio/media/m.mp4", "parts/p", "logs/worker.log.1"):
        (place.state / name).parent.mkdir(parents=True, exist_ok=True)
        (place.state / name).write_bytes(b"x" * 1000)
    assert place.run("clean", "-n").stdout == "3 files would be removed, 3 KB\n"
    assert place.run("clean").stdout == "3 files removed, 3 KB\n"
    assert (place.state / "studio/media/m.mp4").exists()
    assert json.loads(place.run("clean", "--all", "--json").stdout)["files"] == 1
    assert (place.inbox / "a.mp4").exists()
    assert place.done() == 1
    assert place.run("retry", "--unconfirmed").stdout == "nothing to retry\n"
