from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.claims_account import Account, arms_of, claims_from
from benchmarks.claims_promises import Promise
from benchmarks.claims_study import Trained
from benchmarks.paired import paired
from decamo.races import CONTROL, Branch
from decamo.races.trial_files import LostKind, LostTrial, Result, Rung
from tests.history.test_records import RECORD
from tests.races.build import result

PROMISE = Promise("gain-high", "a higher rate", "high", CONTROL, (0.02, 0.04))


def timed(made: Result, seconds: float) -> Result:
    """The trial, its epochs trained in so many seconds."""

    def with_time(rung: Rung) -> Rung:
        return replace(rung, train_seconds=seconds)

    return replace(made, rungs={n: with_time(r) if n else r for n, r in made.rungs.items()})


def seed(number: int, high: Sequence[float], worst: Sequence[float] = (0.5, 0.5)) -> Trained:
    control = result(CONTROL, {0: [0.3, 0.5], 1: [0.4, 0.5], 2: [0.4, 0.6]})
    arm = result("high", {0: [0.3, 0.5], 1: worst, 2: high})
    trials = {CONTROL: timed(control, 2.0), "high": timed(arm, 3.0)}
    return Trained(number, [replace(RECORD, iou=0.4)], trials)


def account(*trained: Trained) -> Account:
    return Account(trained, 2, "2 images", {CONTROL: 100, "high": 150})


TWO = account(seed(0, [0.45, 0.63]), seed(1, [0.44, 0.62]))


def test_a_claim_is_the_paired_difference_at_the_end() -> None:
    (claim,) = claims_from(TWO, [PROMISE])
    found = paired(np.array([[0.05, 0.03], [0.04, 0.02]]))
    for key, value in (("difference", 0.035), ("low", found.low), ("high", found.high)):
        assert claim[key] == pytest.approx(value, abs=1e-6)
    assert claim["by_seed"] == pytest.approx([0.04, 0.03])
    assert claim["setting"] == "2 seeds, 2 images"
    assert claim["expected"] == [0.02, 0.04]
    assert claim["seconds_ratio"] == pytest.approx(1.5)
    assert claim["memory_ratio"] == pytest.approx(1.5)


def test_the_worst_epoch_is_found_for_each_branch() -> None:
    trained = [seed(n, [0.9, 0.9], worst=[0.1, 0.2 + n / 100]) for n in (0, 1)]
    (claim,) = claims_from(account(*trained), [replace(PROMISE, worst=True)])
    # The control's worst epoch is its first, [0.4, 0.5].
    assert claim["by_seed"] == pytest.approx([-0.3, -0.295])


def test_against_the_checkpoint_it_is_what_was_gained_since() -> None:
    (claim,) = claims_from(TWO, [Promise("gain-nothing", "unchanged", CONTROL, "")])
    assert claim["difference"] == pytest.approx(0.1)
    assert claim["seconds_ratio"] is None


def test_a_lost_branch_has_no_interval() -> None:
    broken = seed(1, [0.4, 0.4])
    gone = replace(broken.results["high"], lost=LostTrial(LostKind.DIVERGED, "NaN"))
    broken = replace(broken, results={**broken.results, "high": gone})
    (claim,) = claims_from(account(seed(0, [0.4, 0.4]), broken), [PROMISE])
    assert claim["lost"] == "seed 1, high: diverged: NaN"
    assert "low" not in claim


def test_what_is_still_to_come_is_left_out() -> None:
    young = seed(2, [0.4, 0.4])
    young = replace(young, results={**young.results, "high": Result("high", {})})
    (claim,) = claims_from(account(*TWO.trained, young), [PROMISE])
    assert claim["setting"].startswith("2 seeds")
    (claim,) = claims_from(account(TWO.trained[0], young), [PROMISE])
    assert claim["lost"] == "1 seeds are trained so far"


def test_branches_are_told_by_seed() -> None:
    branches = (Branch(CONTROL, "nothing?"), Branch("high", "higher?"))
    control, high = arms_of(TWO, branches)
    assert control["iou"] == pytest.approx([0.5, 0.5])
    assert high["iou"] == pytest.approx([0.54, 0.53])
    assert (control["seconds"], high["memory_bytes"]) == (2.0, 150)


def test_without_a_clock_no_ratio_is_made_up() -> None:
    still = [
        replace(t, results={k: timed(v, 0.0) for k, v in t.results.items()}) for t in TWO.trained
    ]
    (claim,) = claims_from(account(*still), [PROMISE])
    assert claim["seconds_ratio"] is None
