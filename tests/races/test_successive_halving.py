import numpy as np
import pytest

from decamo.races.successive_halving import halving_round, verdict_of
from decamo.races.trial_files import LostKind, LostTrial, Result
from tests.races.build import result

IMAGES = 30
NOISE = np.random.default_rng(0).normal(0, 0.01, (4, IMAGES))


def scores(level: float, row: int) -> list[float]:
    return list(level + NOISE[row])


def race(**rungs: dict[int, float]) -> dict[str, Result]:
    """Trials that stand at these levels after so many epochs."""
    return {
        name: result(name, {n: scores(level, k) for n, level in levels.items()})
        for k, (name, levels) in enumerate(rungs.items())
    }


def test_the_first_heat_goes_to_the_middle_of_the_trial() -> None:
    current = halving_round(race(control={}, a={}), 3)
    assert (current.rung, current.todo, current.over) == (2, ("control", "a"), False)
    assert halving_round(race(control={}, a={}), 1).rung == 1


def test_a_heat_lasts_until_all_have_come_so_far() -> None:
    current = halving_round(race(control={1: 0.5, 2: 0.5}, a={1: 0.5}), 3)
    assert (current.rung, current.todo) == (2, ("a",))


def test_who_is_clearly_behind_goes_no_farther_but_control_and_twin_do() -> None:
    now = race(control={2: 0.3}, twin={2: 0.3}, a={2: 0.3}, b={2: 0.5})
    current = halving_round(now, 3)
    assert current.dropped == {"a": 2}
    assert current.todo == ("control", "twin", "b")


def test_who_is_ahead_of_the_control_stays_to_tell_a_cause() -> None:
    now = race(control={2: 0.3}, a={2: 0.35}, b={2: 0.5}, c={2: 0.29})
    current = halving_round(now, 3)
    assert current.dropped == {"c": 2}
    assert "a" in current.todo


def test_one_that_was_lost_holds_nobody_up() -> None:
    now = race(control={2: 0.3, 3: 0.3}, b={2: 0.3, 3: 0.4})
    now["gone"] = result("gone", {1: scores(0.3, 2)}, lost=LostTrial(LostKind.DIVERGED, "early"))
    current = halving_round(now, 3)
    assert current.over
    assert current.alive == ("control", "b")


def test_the_verdict_waits_for_the_end_and_knows_the_twin() -> None:
    now = race(control={1: 0.30, 2: 0.30}, twin={1: 0.33, 2: 0.26}, a={1: 0.5, 2: 0.5})
    verdict = verdict_of(now, halving_round(now, 2))
    apart = [now["twin"].rungs[n].iou - now["control"].rungs[n].iou for n in (1, 2)]
    assert verdict.seed_noise == pytest.approx(np.sqrt(np.mean(np.square(apart))))
    best = verdict.of("a")
    assert best is not None
    assert best.better
    with pytest.raises(ValueError, match="still to be trained"):
        verdict_of(now, halving_round(now, 3))
