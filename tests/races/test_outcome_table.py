import json
from dataclasses import replace
from typing import Any

from decamo.diagnosis import Cause
from decamo.races.branch import Branch
from decamo.races.explanation import Explanation
from decamo.races.outcome_table import RaceOutcome, answer, outcome_text, plain_outcome
from decamo.races.successive_halving import halving_round, verdict_of
from decamo.races.trial_files import LostKind, LostTrial, Result
from tests.races.build import result, start

LEVELS = [0.2 + 0.01 * k for k in range(40)]


def outcome() -> RaceOutcome:
    """Four branches: one wins, one fell behind in the middle, one was lost."""

    def trial(name: str, gain: float, last: int = 2) -> Result:
        return result(name, {n: [v + gain + 0.001 * (k % 3) for k, v in enumerate(LEVELS)]
                             for n in range(last + 1)})  # fmt: skip

    results = {
        "control": trial("control", 0.0),
        "slow": trial("slow", -0.1, last=1),
        "high": trial("high", 0.1),
        "broke": replace(
            trial("broke", 0.0, last=0), lost=LostTrial(LostKind.DIVERGED, "no finite loss")
        ),
    }
    current = halving_round(results, 2)
    verdict = verdict_of(results, current)
    branches = [Branch(name, f"does {name} help? " + "x" * 60) for name in results]
    meanings = [
        Explanation((Cause.RATE_TOO_LOW,), "the rate was too low", ("high - control: +0.1",))
    ]
    winner = verdict.winner_among(["high"])
    refuted = [Explanation((Cause.RESOLUTION,), "larger gains nothing", ("larger: -0.1",))]
    return RaceOutcome(branches, results, current, verdict, winner, meanings, start(), refuted)


def test_a_row_for_each_branch_best_first() -> None:
    lines = outcome_text(outcome()).splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["high", "control", "slow", "broke"]
    assert "+0.1000" in lines[1]
    assert "behind after 1" in lines[3]
    assert "-0.1000" in lines[3]
    assert "diverged" in lines[4]
    assert max(len(line) for line in lines) < 160


def test_the_answer_and_its_meaning_stand_below() -> None:
    text = outcome_text(outcome())
    assert "winner: high, better than the control by 0.1000 IoU, 95 % interval" in text
    assert text.endswith(
        "- rate too low: the rate was too low\n    high - control: +0.1\n"
        "- not resolution: larger gains nothing\n    larger: -0.1"
    )
    assert answer(replace(outcome(), winner=None)) == "no branch is better than the control"
    assert "chance alone moves was not measured" in text


def test_the_report_is_plain() -> None:
    plain: dict[str, Any] = json.loads(json.dumps(plain_outcome(outcome())))
    assert plain["winner"] == "high"
    assert [m["causes"] for m in plain["meanings"]] == [[Cause.RATE_TOO_LOW.value]]
    assert [m["causes"] for m in plain["refuted"]] == [[Cause.RESOLUTION.value]]
    assert plain["dropped"] == {"slow": 1}
    assert [b["name"] for b in plain["branches"]] == ["control", "slow", "high", "broke"]
    assert plain["branches"][3]["lost"] == "diverged: no finite loss"
    assert plain["position"]["epoch"] == 86
