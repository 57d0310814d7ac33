import pytest

from benchmarks.diagnosis_confusion import BINS, EXPECTED, Confusion, confuse
from benchmarks.synthetic_runs import SORTS


def test_shares_are_counted() -> None:
    verdicts = {sort: {EXPECTED[sort].value: 3, "too_early": 1} for sort in SORTS}
    found = Confusion(4, 0, verdicts, dict.fromkeys(SORTS, 0) | {"healthy": 1})
    assert found.recall("slow") == 0.75
    assert found.false_alarms == 1 / 8
    assert found.columns[0] == "explosion"
    assert found.columns[-1] == "too_early"


def test_a_small_matrix_is_complete_and_repeatable() -> None:
    found = confuse(2, seed=7)
    assert set(found.verdicts) == set(SORTS)
    assert all(sum(counts.values()) == 2 for counts in found.verdicts.values())
    assert len(found.borders) == len(BINS) - 1
    assert all(sum(counts.values()) == 2 for counts in found.borders.values())
    assert found == confuse(2, seed=7)


@pytest.mark.long
def test_most_runs_get_their_word() -> None:
    found = confuse(12, seed=11)
    assert found.false_alarms == 0
    assert sum(found.recall(sort) for sort in SORTS) / len(SORTS) > 0.9


@pytest.mark.long
def test_the_goals_are_met() -> None:
    found = confuse(200, seed=0)
    assert found.false_alarms <= 0.01
    assert min(found.recall(sort) for sort in SORTS) >= 0.95
