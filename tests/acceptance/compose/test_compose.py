"""The compose stack, really run: a clip goes through, workers scale, one is killed, all of it goes away."""

import json
import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.acceptance.commands import say
from tests.acceptance.compose.conftest import IMAGE
from tests.acceptance.compose.image import BASE
from tests.pages import PAGES, blocks, expected
from tests.s3 import bucket_of, serving

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(1800)]

OURS = ("redis", "worker", "producer", "flower", "studio")
OPERATOR = (
    "status",
    "results",
    "credits",
    "skills",
    "doctor --outbox /data/outbox /data/inbox",
    "pause",
    "resume",
    "drain",
    "resume",
    "report --outbox /data/outbox -o /tmp/report.html --pictures 0",
)
# Kills the worker from within its own container, as a fault would; the engine takes an order from outside for
# a wish to stop, and would not start it again.
KILL = """
import os, pathlib, signal
for each in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    if each.read_bytes().split(b"\\0")[1:3] == [b"-m", b"worker"]:
        os.kill(int(each.parent.name), signal.SIGKILL)
"""


def test_a_clip_goes_in_and_comes_out_with_music(stack, clip):
    stack.wait(lambda: all(set(stack.health(name)) <= {"healthy", "running"} for name in OURS), 120)
    stack.drop(clip, "first.mp4")
    stack.wait(lambda: stack.result("first").get("state") == "done", 120)
    assert (stack.folder / "data/outbox/first.mp4").stat().st_size > 1000
    assert stack.result("first")["source"] == "/data/inbox/first.mp4"


@pytest.mark.parametrize("command", OPERATOR)
def test_an_operator_gives_commands_by_compose_exec(stack, command):
    assert stack.compose("exec", "-T", "worker", "dropscore", *command.split()).strip()


def test_status_by_compose_exec_is_that_of_the_ledger(stack):
    said = stack.compose("exec", "-T", "worker", "dropscore", "status", "--json")
    assert json.loads(said)["states"]["done"] >= 1
    job = stack.result("first")["job"]
    assert "download" in stack.compose("exec", "-T", "worker", "dropscore", "status", job)


def test_every_service_says_that_it_is_healthy(stack):
    stack.wait(lambda: all(set(stack.health(name)) == {"healthy"} for name in OURS), 90)


@pytest.mark.parametrize("service", OURS)
def test_no_service_is_root_or_can_write_its_root(stack, service):
    (container,) = stack.containers(service)
    assert stack.inside(container, "id", "-u").strip() != "0"
    tried = subprocess.run(["docker", "exec", container, "touch", "/x"], capture_output=True, check=False)
    assert tried.returncode != 0
    host = stack.inspect(container)["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])
    assert host["RestartPolicy"]["Name"] == "unless-stopped"


@pytest.mark.parametrize("service", OURS)
def test_secrets_stand_in_no_environment_argument_or_log(stack, service):
    secrets = [path.read_text().strip() for path in (stack.folder / "secrets").iterdir()]
    # The password of redis://:PASSWORD@redis:6379/0, and of operator:PASSWORD; a token stands alone.
    words = [urlsplit(secret).password or secret.rpartition(":")[2] for secret in secrets if secret]
    (container,) = stack.containers(service)
    seen = json.dumps(stack.inspect(container)) + stack.compose("logs", "--no-color", service)
    seen += stack.inside(
        container, "sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; true"
    )
    assert len(words) == 3
    assert all(len(word) == 48 for word in words)
    assert not [word for word in words if word in seen]


def test_flower_is_on_this_machine_alone_and_behind_its_password(stack):
    address = f"http://127.0.0.1:{stack.flower_port}/api/workers?refresh=1"
    user, _, word = (stack.folder / "secrets/flower_auth").read_text().strip().partition(":")
    assert httpx.get(address).status_code == 401
    assert len(httpx.get(address, auth=(user, word), timeout=20).json()) == 1
    (container,) = stack.containers("flower")
    bindings = stack.inspect(container)["HostConfig"]["PortBindings"].values()
    assert [port["HostIp"] for ports in bindings for port in ports] == ["127.0.0.1"]


def test_four_workers_one_of_them_killed_and_all_files_done(stack, clip: Path):
    stack.compose("up", "-d", "--no-recreate", "--scale", "worker=4")
    stack.wait(lambda: stack.health("worker") == ["healthy"] * 4, 120)
    names = [f"clip{number}" for number in range(12)]
    for name in names:
        stack.drop(clip, f"{name}.mp4")
    stack.wait(lambda: any(stack.result(name) for name in names), 120)
    victim = stack.containers("worker")[0]
    subprocess.run(
        ["docker", "exec", victim, "python", "-c", KILL], capture_output=True, timeout=30, check=False
    )
    stack.wait(lambda: all(stack.result(name).get("state") == "done" for name in names), 180)
    stack.wait(lambda: stack.inspect(victim)["RestartCount"] == 1, 30)
    stack.wait(lambda: stack.health("worker") == ["healthy"] * 4, 120)


def test_every_command_of_the_pages_runs(stack):
    """The blocks of README.md and docs that want an engine; a second file stands in for what is pulled."""
    environment = {**os.environ, "COMPOSE_FILE": "docker-compose.yml:standin.yml"}
    commands = [
        one for page in PAGES for block in blocks(page) if block.has("docker") for one in block.commands
    ]
    assert commands
    for command in commands:
        line = command.text.replace("docker compose", " ".join(stack.program))
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=stack.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == command.exit_code, said
        assert all(expected(shown).search(said) for shown in command.shown), said
    assert stack.health("worker")


def test_buckets_take_the_place_of_the_folders(stack, clip: Path, tmp_path: Path):
    network = f"{stack.folder.name}_default"
    gateway = say("docker", "network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", network).strip()
    with serving(tmp_path, host=gateway) as (url, log):
        bucket = bucket_of(url, log, "clips")
        secret = bucket.environment["AWS_SECRET_ACCESS_KEY"]
        told = {**bucket.environment, "AWS_ALLOW_HTTP": "true"}
        told |= {"S3_INBOX": bucket.path("in"), "S3_OUTBOX": bucket.path("out")}
        del told["AWS_SECRET_ACCESS_KEY"]
        (stack.folder / "secrets/s3_key").write_text(secret)
        with (stack.folder / ".env").open("a") as env:
            env.writelines(f"{name}={value}\n" for name, value in told.items())
        stack.compose("-f", "docker/buckets.yml", "up", "-d", "--scale", "worker=1")
        bucket.put("in/show/first.mp4", clip.read_bytes() + b"from a bucket")
        stack.wait(lambda: "out/show/first.result.json" in bucket.keys("out"), 120)
        result = json.loads(bucket.get("out/show/first.result.json"))
        assert (result["state"], result["source"]) == ("done", "s3://clips/in/show/first.mp4")
        assert len(bucket.get("out/show/first.mp4")) == result["bytes"] > 1000
        logs = stack.compose("logs", "--no-color", "worker", "producer")
        assert secret not in logs + "".join(
            json.dumps(stack.inspect(one)) for one in stack.containers("worker")
        )


def test_down_leaves_no_container(stack):
    stack.compose("down", "-v")
    label = f"label=com.docker.compose.project={stack.folder.name}"
    left = subprocess.run(["docker", "ps", "-aq", "--filter", label], capture_output=True, check=True)
    assert left.stdout == b""


def test_the_image_weighs_what_the_page_says(stack):
    sizes = [int(say("docker", "image", "inspect", "-f", "{{.Size}}", name)) for name in (IMAGE, BASE)]
    assert (sizes[0] - sizes[1]) / 1e6 < 490  # docs/operations.md says 480
