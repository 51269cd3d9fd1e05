"""Gates: closed once, said once, probed by one, and counted."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from jobs.gates import HOLDS, TRIALS, Gates, due_sets_behind
from jobs.ledger import Ledger
from jobs.model import PERSONAL, Gate, State, Step
from jobs.redis import RING_CHANNEL
from tests.conftest import Wall
from tests.unit.jobs.actions import bring_to, claim, end_step, submit


def close(gates: Gates, gate: Gate, message: str = "why", probe_at: float = 10.0) -> bool:
    return gates.close(gate, probe_at=probe_at, message=message, advice="what to do")


def test_a_gate_is_closed_once_and_said_once(ledger: Ledger, wall: Wall) -> None:
    gates = Gates(ledger)
    at = ledger.now()
    assert close(gates, Gate.CREDITS) is True
    wall.go(5)
    assert close(gates, Gate.CREDITS, "again", probe_at=20.0) is False
    assert close(gates, Gate.CREDITS, "third", probe_at=15.0) is False
    found = gates.closed()[Gate.CREDITS]
    assert (found.message, found.advice, found.probe_at) == ("third", "what to do", 20.0)
    assert found.since == pytest.approx(at, abs=0.01)


def test_of_many_that_close_a_gate_one_says_so(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: close(Gates(ledger), Gate.DISK), range(30)))
    assert found.count(True) == 1


def test_a_full_disk_is_remembered_with_its_folder_and_what_it_needs(ledger: Ledger) -> None:
    """The disk gate was probed by asking for the credit balance: it opened onto a full disk."""
    gates = Gates(ledger)
    gates.close(Gate.DISK, probe_at=1.0, message="m", advice="a", path="/out/Ü", needed_bytes=5 * 10**12)
    found = gates.closed()[Gate.DISK]
    assert (found.path, found.needed_bytes) == ("/out/Ü", 5 * 10**12)


def test_opening_tells_how_many_waited_and_rings(ledger: Ledger) -> None:
    gates = Gates(ledger)
    for number in range(5):
        submit(ledger, f"j{number}", backlog=number > 2)
    assert end_step(ledger, claim(ledger, "j0"), State.WAITING, after_s=60)  # not due
    ledger.client.zadd("dropscore:due:upload", {f"j{number}": 0 for number in (1, 2)})
    ledger.client.zadd("dropscore:due:backlog", {f"j{number}": 0 for number in (3, 4)})
    close(gates, Gate.CREDITS)
    assert gates.count_waiting(Gate.CREDITS) == 4
    assert gates.count_waiting(Gate.PLAN) == 0
    with ledger.client.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(RING_CHANNEL)
        channel.get_message(timeout=1.0)
        assert gates.open(Gate.CREDITS) == 4
        assert channel.get_message(timeout=5.0) is not None
    assert gates.closed() == {}


@pytest.mark.parametrize("gate", sorted(set(Gate) - {Gate.SOURCE}))
def test_each_gate_holds_the_sets_of_its_steps(ledger: Ledger, gate: Gate) -> None:
    for step in Step:
        submit(ledger, f"at-{step}")
        bring_to(ledger, f"at-{step}", step)
    submit(ledger, "backlog", backlog=True)
    expected = len(HOLDS[gate]) + (Step.UPLOAD in HOLDS[gate])
    assert Gates(ledger).count_waiting(gate) == expected == len(due_sets_behind(gate))


def test_no_gate_of_money_holds_what_is_paid_already() -> None:
    for gate in (Gate.CREDITS, Gate.BUDGET, Gate.PLAN):
        assert not {Step.VERIFY, Step.POLL, Step.DOWNLOAD} & HOLDS[gate]
    assert set(HOLDS) == set(Gate)
    assert TRIALS <= PERSONAL


def test_one_prober_at_a_time(ledger: Ledger) -> None:
    close(Gates(ledger), Gate.RATE, probe_at=1.0)
    close(Gates(ledger), Gate.AUTH, probe_at=1.0)
    again_at = ledger.now() + 60
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: Gates(ledger).claim_probe(Gate.RATE, again_at), range(20)))
    assert found.count(True) == 1
    assert Gates(ledger).closed()[Gate.RATE].probe_at == pytest.approx(again_at)
    assert Gates(ledger).claim_probe(Gate.AUTH, again_at) is True


def test_a_gate_whose_time_has_not_come_or_that_is_open_is_not_probed(ledger: Ledger) -> None:
    gates = Gates(ledger)
    close(gates, Gate.RATE, probe_at=ledger.now() + 60)
    assert not gates.claim_probe(Gate.RATE, 99.0)
    gates.open(Gate.RATE)
    assert not gates.claim_probe(Gate.RATE, 99.0)
    assert gates.closed() == {}


def test_a_gate_that_many_close_at_once_keeps_its_beginning_and_the_last_probe(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(lambda at: close(Gates(ledger), Gate.RATE, probe_at=float(at)), range(40)))
    assert (new.count(True), Gates(ledger).closed()[Gate.RATE].probe_at) == (1, 39.0)
