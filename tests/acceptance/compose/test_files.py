"""What the compose files say, without an engine: nothing open, nothing as root, no setting that is none."""

import json
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.settings import SECRETS, environment_names

REPOSITORY = Path(__file__).parents[3]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())[
    "services"
]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_guarded_and_kept_alive(name: str) -> None:
    service = SERVICES[name]
    assert service["user"].startswith("${DROPSCORE_UID")
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert "healthcheck" in service or name == "producer"
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_the_buckets_change_no_guard_and_show_no_secret() -> None:
    told = yaml.safe_load((REPOSITORY / "docker/buckets.yml").read_text())
    for name, service in told["services"].items():
        assert name in SERVICES
        assert set(service) <= {"command", "environment", "volumes", "secrets"}
        shown = {key: value for key, value in service["environment"].items() if value is not None}
        assert shown.pop("AWS_SECRET_ACCESS_KEY_FILE") == "/run/secrets/s3_key"
        assert set(shown) <= set(environment_names())


def test_every_setting_is_one_that_the_program_knows() -> None:
    known = {*environment_names(), *(f"{name}_FILE" for name in SECRETS)}
    ours = ("worker", "producer", "web", "flower")
    told = {name for service in ours for name in SERVICES[service]["environment"]}
    assert told <= known
    offered = re.findall(
        r"^(?:# )?((?:DROPSCORE|NEMO)_\w+)=", (REPOSITORY / ".env.example").read_text(), re.M
    )
    assert set(offered) - {"DROPSCORE_UID", "DROPSCORE_GID"} <= known


def test_no_secret_is_a_value() -> None:
    for service in SERVICES.values():
        values = service.get("environment", {})
        assert not [name for name in values if name in SECRETS]
        assert all(
            value.startswith("/run/secrets/") for name, value in values.items() if name.endswith("_FILE")
        )


def test_set_up_makes_what_is_missing_and_leaves_what_is_there(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "docker", tmp_path / "docker")
    shutil.copy(REPOSITORY / ".env.example", tmp_path)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/nemo_token").write_text("mine")
    seen = []
    for _ in range(2):
        subprocess.run(["sh", "docker/setup.sh"], cwd=tmp_path, check=True, capture_output=True)
        seen.append({path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()})
    assert seen[0] == seen[1]
    assert seen[0]["nemo_token"] == "mine"
    assert seen[0]["notify"] == seen[0]["s3_key"] == ""
    assert re.fullmatch(r"redis://:[0-9a-f]{48}@redis:6379/0\n", seen[0]["redis_url"])
    assert re.fullmatch(r"operator:[0-9a-f]{48}\n", seen[0]["flower_auth"])
    made = tmp_path / "secrets/redis_url"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert "DROPSCORE_UID=0\n" not in (tmp_path / ".env").read_text()


def test_the_dashboard_and_its_source_agree() -> None:
    grafana = REPOSITORY / "docker/grafana"
    source = yaml.safe_load((grafana / "provisioning/datasources/prometheus.yml").read_text())["datasources"][
        0
    ]
    board = json.loads((grafana / "dashboards/dropscore.json").read_text())
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {source["uid"]}
    scraped = yaml.safe_load((REPOSITORY / "docker/prometheus/prometheus.yml").read_text())["scrape_configs"]
    targets = [
        target for job in scraped for each in job.get("static_configs", ()) for target in each["targets"]
    ]
    found = [each for job in scraped for each in job.get("dns_sd_configs", ())]
    named = {target.partition(":")[0] for target in targets} | {
        name for each in found for name in each["names"]
    }
    assert named == {"worker", "flower"} <= set(SERVICES)
    assert {str(each["port"]) for each in found} == {
        SERVICES["worker"]["environment"]["DROPSCORE_METRICS_PORT"]
    }


def test_every_alert_asks_for_a_metric_there_is_and_says_what_to_do() -> None:
    groups = yaml.safe_load((REPOSITORY / "docker/prometheus/alerts.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    text = (REPOSITORY / "worker/metrics.py").read_text()
    for rule in rules:
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["advice"]
        for name in re.findall(r"dropscore_(\w+)", rule["expr"]):
            assert f'"{name}"' in text or f'"dropscore_{name.removesuffix("_total")}"' in text, name
