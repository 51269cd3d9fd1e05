"""Gates: for how long one closes, and who opens it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import nemovideo
from config.settings import Settings
from jobs.gates import Gates
from jobs.ledger import Ledger
from jobs.model import Gate
from tests.conftest import Wall
from worker.delivery import SPARE_BYTES
from worker.errors import BudgetReached, DiskFull, RootAway
from worker.gates import AWAY_PROBE_S, MAX_RATE_WAIT_S, GateProber, close_gate

PROBE_S = 60.0


class Account:
    """A service that answers with a balance, or refuses to."""

    def __init__(self, available: float = 100, error: Exception | None = None) -> None:
        self.available, self.error, self.asked = available, error, 0

    def balance(self) -> Any:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return SimpleNamespace(available=self.available)


def make_prober(ledger: Ledger, account: Account) -> GateProber:
    settings = Settings(DROPSCORE_GATE_PROBE=PROBE_S, DROPSCORE_EDIT_CREDITS=50)
    return GateProber(ledger, Gates(ledger), account, settings)  # type: ignore[arg-type]  # of the client it asks for the balance alone


@pytest.mark.parametrize(
    ("retry_after_s", "wait_s"), [(None, PROBE_S), (5.0, 5.0), (599.0, 599.0), (86_400.0, MAX_RATE_WAIT_S)]
)
def test_a_rate_gate_stays_closed_for_as_long_as_was_asked_up_to_ten_minutes(
    ledger: Ledger, retry_after_s: float | None, wait_s: float
) -> None:
    error = nemovideo.RateLimited(retry_after_s=retry_after_s)
    closed = close_gate(Gates(ledger), Gate.RATE, error, ledger.now(), PROBE_S)
    assert closed.probe_at == ledger.now() + wait_s
    assert Gates(ledger).closed()[Gate.RATE].probe_at == pytest.approx(closed.probe_at, abs=0.001)


def test_a_second_refusal_may_only_hold_a_gate_longer(ledger: Ledger) -> None:
    gates = Gates(ledger)
    for retry_after_s in (100.0, 5.0, 200.0):
        close_gate(
            gates, Gate.RATE, nemovideo.RateLimited(retry_after_s=retry_after_s), ledger.now(), PROBE_S
        )
    assert gates.closed()[Gate.RATE].probe_at == pytest.approx(ledger.now() + 200, abs=0.001)


def test_a_rate_gate_opens_by_itself_when_its_time_has_come(ledger: Ledger, wall: Wall) -> None:
    account = Account()
    close_gate(Gates(ledger), Gate.RATE, nemovideo.RateLimited(retry_after_s=30), ledger.now(), PROBE_S)
    wall.go(29)
    make_prober(ledger, account).probe_due()
    assert Gate.RATE in Gates(ledger).closed()
    wall.go(2)
    make_prober(ledger, account).probe_due()
    assert Gates(ledger).closed() == {}
    assert account.asked == 0


@pytest.mark.parametrize(("available", "is_open"), [(49, False), (50, True)])
def test_the_credits_gate_opens_when_an_edit_can_be_paid(
    ledger: Ledger, wall: Wall, available: float, is_open: bool
) -> None:
    close_gate(Gates(ledger), Gate.CREDITS, nemovideo.OutOfCredits(), ledger.now(), PROBE_S)
    wall.go(PROBE_S + 1)
    make_prober(ledger, Account(available)).probe_due()
    assert (Gate.CREDITS not in Gates(ledger).closed()) is is_open


@pytest.mark.parametrize(("available", "is_open"), [(50, False), (99, False), (100, True)])
def test_the_credits_gate_opens_when_what_closed_it_can_be_paid(
    ledger: Ledger, wall: Wall, available: float, is_open: bool
) -> None:
    error = nemovideo.BalanceTooLow(needed_credits=100)  # a video made from words costs more than an edit
    close_gate(Gates(ledger), Gate.CREDITS, error, ledger.now(), PROBE_S)
    wall.go(PROBE_S + 1)
    make_prober(ledger, Account(available)).probe_due()
    assert (Gate.CREDITS not in Gates(ledger).closed()) is is_open


def test_the_auth_gate_opens_when_the_account_answers_whatever_it_has(ledger: Ledger, wall: Wall) -> None:
    close_gate(Gates(ledger), Gate.AUTH, nemovideo.AccountRefused(), ledger.now(), PROBE_S)
    wall.go(PROBE_S + 1)
    make_prober(ledger, Account(error=nemovideo.AccountRefused())).probe_due()
    assert Gate.AUTH in Gates(ledger).closed()
    wall.go(PROBE_S + 1)
    make_prober(ledger, Account(0)).probe_due()
    assert Gates(ledger).closed() == {}


def test_the_disk_gate_asks_the_disk_and_no_account(ledger: Ledger, wall: Wall, tmp_path: Path) -> None:
    account = Account(0)
    close_gate(Gates(ledger), Gate.DISK, DiskFull("full", str(tmp_path), 1 << 60), ledger.now(), PROBE_S)
    wall.go(PROBE_S + 1)
    make_prober(ledger, account).probe_due()
    assert Gate.DISK in Gates(ledger).closed(), "so much is not free"
    Gates(ledger).open(Gate.DISK)
    close_gate(Gates(ledger), Gate.DISK, DiskFull("full", str(tmp_path), SPARE_BYTES), ledger.now(), PROBE_S)
    wall.go(PROBE_S + 1)
    make_prober(ledger, account).probe_due()
    assert Gates(ledger).closed() == {}
    assert account.asked == 0
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_this_host_does_not_see_is_another_hosts_to_probe(ledger: Ledger, wall: Wall) -> None:
    close_gate(Gates(ledger), Gate.DISK, DiskFull("full", "/nowhere/at/all", 1), ledger.now(), PROBE_S)
    wall.go(PROBE_S + 1)
    make_prober(ledger, Account()).probe_due()
    assert Gate.DISK in Gates(ledger).closed()


@pytest.mark.parametrize("gate", [Gate.PAUSED, Gate.BUDGET, Gate.PLAN])
def test_a_gate_that_a_person_or_a_trial_opens_is_not_probed(ledger: Ledger, wall: Wall, gate: Gate) -> None:
    close_gate(Gates(ledger), gate, BudgetReached("x"), ledger.now(), PROBE_S)
    wall.go(3600)
    make_prober(ledger, Account()).probe_due()
    assert gate in Gates(ledger).closed()


def test_of_many_workers_one_probes(ledger: Ledger, wall: Wall) -> None:
    account = Account(0)
    close_gate(Gates(ledger), Gate.CREDITS, nemovideo.OutOfCredits(), ledger.now(), PROBE_S)
    wall.go(PROBE_S + 1)
    probers = [make_prober(ledger, account) for _ in range(20)]
    for prober in probers:
        prober.probe_due()
    assert account.asked == 1


def test_the_gate_of_a_folder_opens_when_something_lies_in_it_again(
    ledger: Ledger, wall: Wall, tmp_path: Path
) -> None:
    roots = [tmp_path / name for name in ("missing", "empty", "back")]
    for root in roots:
        error = RootAway(f"{root} is away", str(root))
        assert close_gate(Gates(ledger), Gate.SOURCE, error, ledger.now(), PROBE_S).probe_at == pytest.approx(
            ledger.now() + AWAY_PROBE_S
        )
    roots[1].mkdir()
    roots[2].mkdir()
    (roots[2] / "clip.mp4").touch()
    make_prober(ledger, Account()).probe_due()
    assert len(Gates(ledger).closed()[Gate.SOURCE].roots) == 3, "its time has not come"
    wall.go(AWAY_PROBE_S + 1)
    make_prober(ledger, Account()).probe_due()
    assert sorted(Gates(ledger).closed()[Gate.SOURCE].roots) == sorted(map(str, roots[:2]))
    (roots[0]).mkdir()
    (roots[0] / "clip.mp4").touch()
    make_prober(ledger, Account()).probe_due()
    assert len(Gates(ledger).closed()[Gate.SOURCE].roots) == 2, "it was looked at just now"
