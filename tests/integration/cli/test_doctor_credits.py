"""``doctor`` and ``credits`` against a real service and a real ledger."""

import json
import os
import socket
import subprocess
import sys

import pytest

from jobs.ledger import Ledger
from jobs.limits import CreditBudget
from jobs.redis import connect
from tests.documented import documented, keys

pytestmark = pytest.mark.integration


@pytest.fixture
def service(tmp_path):
    """A studio that counts credits as the cloud does; answers its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        command = [sys.executable, "-P", "-m", "studio", "--fd", str(listening.fileno())]
        command += ["--root", str(tmp_path / "studio"), "--simulate"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DROPSCORE_")}
        process = subprocess.Popen(
            command,
            pass_fds=(listening.fileno(),),
            env=kept,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.wait(30)


@pytest.fixture
def cloud(service, redis_url):
    return {"NEMO_API_URL": service, "DROPSCORE_BACKEND": "cloud", "DROPSCORE_REDIS_URL": redis_url}


def test_the_balance_of_an_anonymous_account_that_is_made_once(place, cloud, ledger_of):
    unknown = checks_of(place.run("doctor", "--json", **cloud))
    assert "none yet" in unknown["account"]["message"]
    first = place.run("credits", "--json", **cloud)
    assert first.returncode == 0, first.stderr
    said = json.loads(first.stdout)
    assert (said["account"], said["available"], said["reserved"]) == ("anonymous", 100, 0)
    assert keys(said) <= documented("credits")
    ledger_of.reserve("job", 50)
    again = place.run("credits", **cloud)
    assert again.stdout.splitlines() == [
        "100 credits available, 0 reserved by work in progress, 100 in total (anonymous)",
        "budget: 0 spent since the last run began, 50 set aside for edits in flight",
    ]
    known = checks_of(place.run("doctor", "--json", **cloud))
    assert (known["account"]["state"], known["service"]["state"], known["redis"]["state"]) == (
        "ok",
        "ok",
        "ok",
    )


@pytest.fixture
def ledger_of(redis_url):
    client = connect(redis_url)
    client.flushall()
    yield CreditBudget(Ledger(client))
    client.close()


def checks_of(said):
    return {check["name"].partition(" ")[0]: check for check in json.loads(said.stdout)["checks"]}


def test_a_token_that_is_refused_is_code_7_and_fails_the_check(place, cloud):
    token = "nmv_usr_" + "x" * 20
    refused = place.run("credits", NEMO_TOKEN=token, **cloud)
    assert (refused.returncode, refused.stderr.count("\n")) == (7, 1)
    checkup = place.run("doctor", NEMO_TOKEN=token, **cloud)
    assert checkup.returncode == 1
    assert "account" in checkup.stdout
    assert token not in refused.stderr + checkup.stdout + checkup.stderr


def test_servers_that_are_away_fail_and_say_how_to_fix_it(place, tmp_path):
    gone = {"DROPSCORE_REDIS_URL": f"unix://{tmp_path}/none.sock", "NEMO_API_URL": "http://127.0.0.1:9"}
    checkup = place.run("doctor", "inbox", "nowhere", "--json", **gone)
    found = checks_of(checkup)
    assert checkup.returncode == 1
    assert {name for name, check in found.items() if check["state"] == "fail"} == {
        "redis",
        "service",
        "folder",
    }
    assert all(check["fix"] for check in found.values() if check["state"] == "fail")


def test_a_fresh_place_is_well_and_stays_as_it_is(place):
    checkup = place.run("doctor", "inbox")
    assert (checkup.returncode, checkup.stderr) == (0, "")
    assert [path.name for path in place.folder.iterdir()] == ["inbox"]
