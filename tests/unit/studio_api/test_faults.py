"""When a fault strikes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from studio.errors import BadRequest
from studio.faults import Fault, Faults, FaultTable, chance, load_faults


def struck(rule, calls=10, seed=0, endpoint="state"):
    faults = Faults(FaultTable(seed=seed, rules=(Fault(**rule),)))
    return [faults.pick(endpoint) is not None for _ in range(calls)]


def test_always_without_a_condition():
    assert all(struck({"endpoint": "state", "kind": "429"}))


def test_the_first_count_calls_after_some():
    assert struck({"endpoint": "*", "kind": "429", "count": 2, "after": 1}, 5) == [
        False,
        True,
        True,
        False,
        False,
    ]


def test_every_nth_call():
    assert struck({"endpoint": "*", "kind": "429", "every": 3}, 6) == [False, False, True, False, False, True]


def test_probability_depends_on_the_seed_alone():
    rule = {"endpoint": "state", "kind": "429", "probability": 0.3}
    assert struck(rule, 200, seed=4) == struck(rule, 200, seed=4)
    assert struck(rule, 200, seed=4) != struck(rule, 200, seed=5)
    assert 30 < sum(struck(rule, 200)) < 90


def test_other_endpoints_are_left_alone():
    assert not any(struck({"endpoint": "upload", "kind": "429"}))


def test_a_kind_strikes_where_it_means_something():
    assert not any(struck({"endpoint": "*", "kind": "cut"}))
    assert all(struck({"endpoint": "*", "kind": "cut"}, endpoint="run_sse"))


def test_rules_are_used_up_one_after_the_other():
    rules = (Fault(endpoint="cdn", kind="short", count=1), Fault(endpoint="cdn", kind="html", count=1))
    faults = Faults(FaultTable(rules=rules))
    picked = [faults.pick("cdn") for _ in range(3)]
    assert [fault.kind if fault else None for fault in picked] == ["short", "html", None]


def test_a_new_table_counts_from_zero():
    faults = Faults(FaultTable(rules=(Fault(endpoint="cdn", kind="html", count=1),)))
    assert faults.pick("cdn")
    faults.replace(faults.table)
    assert faults.pick("cdn")


@pytest.mark.parametrize(
    "wrong", [{"kind": "sorcery"}, {"endpoint": "moon"}, {"probability": 2}, {"status": 200}, {"odds": 1}]
)
def test_wrong_rules_are_refused(wrong):
    with pytest.raises(ValidationError):
        Fault(**{"endpoint": "cdn", "kind": "html", **wrong})


def test_chance_spreads_evenly():
    draws = [chance(0, "x", n) for n in range(1000)]
    assert 0 <= min(draws) < 0.02
    assert 0.98 < max(draws) < 1
    assert 0.45 < sum(draws) / 1000 < 0.55


def test_tables_from_files(tmp_path):
    toml, json = tmp_path / "f.toml", tmp_path / "f.json"
    toml.write_text('seed = 3\n[[rules]]\nendpoint = "cdn"\nkind = "html"\n')
    json.write_text('{"seed": 3, "rules": [{"endpoint": "cdn", "kind": "html"}]}')
    assert load_faults(toml) == load_faults(json)


@pytest.mark.parametrize("text", ["seed = 'x'", "[[rules]]\nkind = 'html'", "no toml at all", "unknown = 1"])
def test_a_wrong_file_is_one_clear_line(tmp_path, text):
    path = tmp_path / "f.toml"
    path.write_text(text)
    with pytest.raises(BadRequest, match=r"f\.toml") as caught:
        load_faults(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_clear_line(tmp_path):
    with pytest.raises(BadRequest, match=r"gone\.toml cannot be read"):
        load_faults(tmp_path / "gone.toml")
