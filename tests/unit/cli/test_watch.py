"""``dropscore status JOB --watch``, with a ledger whose clock the test moves."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from rich.console import Console

from cli import status
from config.settings import Settings
from jobs.ledger import Ledger
from jobs.model import Step
from tests.conftest import Wall
from tests.unit.jobs.actions import bring_to, claim, submit


def test_whoever_waits_for_a_job_hears_every_two_minutes_that_its_edit_goes_on(
    fake_ledger: Ledger, wall: Wall, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(fake_ledger)
    bring_to(fake_ledger, "j1", Step.EDIT)
    claim(fake_ledger, "j1", Step.EDIT)

    @contextmanager
    def open_ledger(*_: object, **__: object) -> Iterator[Ledger]:
        yield fake_ledger

    naps = iter([1.0, 118.0, 3.0, 120.0])

    def sleep(_: float) -> None:
        if (nap := next(naps, None)) is None:
            raise KeyboardInterrupt
        wall.go(nap)

    monkeypatch.setattr(status, "open_ledger", open_ledger)
    monkeypatch.setattr(status, "find_redis_url", lambda _: "")
    status.watch(Settings(), "j1", Console(width=100), sleep=sleep)
    shown = [line.strip() for line in capsys.readouterr().out.splitlines() if "still working" in line]
    assert shown == ["still working (2 min)", "still working (4 min)"]
