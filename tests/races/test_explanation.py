from dataclasses import replace

import numpy as np
import pytest

from decamo.diagnosis import Cause
from decamo.races.explanation import Explanation, RaceFacts, explain_race, refuted_causes
from decamo.races.judge import judge

FACTS = RaceFacts(
    rate=0.00005, peak=0.00005, highest=0.001, ended=False,
    losses=[1.0] * 10, ious=[0.6] * 20, epochs=3, diverged={},
)  # fmt: skip
HARD = np.random.default_rng(0).uniform(0.3, 0.7, 60)
NOISE = np.random.default_rng(1).normal(0, 0.01, (20, 60))


def found(facts: RaceFacts = FACTS, **gains: float) -> list[Explanation]:
    """The meaning of a race in which branches gained so much over the control."""
    rows = enumerate(gains.items(), start=1)
    scores = {"control": HARD + NOISE[0]}
    scores |= {n.replace("_", "-"): HARD + NOISE[k] + gain for k, (n, gain) in rows}
    return list(explain_race(judge(scores, "control"), facts))


def causes(facts: RaceFacts = FACTS, **gains: float) -> list[str]:
    return [m.heading for m in found(facts, **gains)]


CEILING = "capacity or data or validation"


def used_up(facts: RaceFacts, **gains: float) -> bool:
    """Whether a rate that is too low is said to have been used up."""
    (meaning,) = found(facts, **gains)
    assert meaning.causes == (Cause.RATE_TOO_LOW,)
    assert ("was too low" in meaning.says) != ("was used up" in meaning.says)
    return "was used up" in meaning.says


def test_a_higher_rate_that_beats_the_same_curve_at_the_old_height_was_too_low() -> None:
    (meaning,) = found(rate_x3=0.05, anneal=0.0, rate_tenth=0.0)
    assert meaning.heading == "rate too low"
    assert any("0.00005" in e or "5e-05" in e for e in meaning.evidence)
    assert any(e.startswith("rate-x3 - anneal: +0.0") for e in meaning.evidence)
    assert causes(rate_x10=0.08, rate_x3=0.0, anneal=0.0) == ["rate too low"]
    assert causes(rate_before=0.08, rate_x10=0.0, anneal=0.0) == ["rate too low"]


ANNEALED = replace(FACTS, rate=0.00001, peak=0.001)  # at the end of its own cosine


def test_a_rate_that_the_schedule_had_and_annealed_away_was_used_up() -> None:
    (meaning,) = found(ANNEALED, rate_before=0.08, rate_x10=0.0, anneal=0.0)
    assert meaning.causes == (Cause.RATE_TOO_LOW,)
    assert "used up before the run had finished learning" in meaning.says
    assert "too low" not in meaning.says
    assert any("1e-05" in e for e in meaning.evidence)
    assert any("from 0.001" in e for e in meaning.evidence)
    assert used_up(ANNEALED, rate_x10=0.08, rate_x3=0.0, anneal=0.0)


@pytest.mark.parametrize(
    ("facts", "spent"),
    [
        (replace(FACTS, ended=True), False),  # a hundredth, held to the end
        (replace(ANNEALED, highest=0.003), False),  # an earlier schedule had that one
        (replace(ANNEALED, rate=0.0002), False),  # a fifth of its peak, under way
        (replace(ANNEALED, rate=0.0002, ended=True), True),  # its floor is that high
        (replace(ANNEALED, peak=0.000999999), True),  # six digits are written
    ],
)
def test_too_low_and_used_up_are_told_apart(facts: RaceFacts, spent: bool) -> None:
    assert used_up(facts, rate_before=0.08, anneal=0.0) == spent


def test_a_rate_above_all_that_the_schedule_had_was_not_used_up() -> None:
    ended = replace(FACTS, rate=0.0002, peak=0.001, highest=0.001, ended=True)
    assert used_up(ended, rate_x3=0.08, anneal=0.0)  # 0.0006
    assert not used_up(ended, rate_x10=0.08, anneal=0.0)  # 0.002


def test_where_annealing_does_as_well_a_used_up_rate_is_not_called_too_low() -> None:
    (low,) = found(rate_before=0.05, anneal=0.05)
    (spent,) = found(ANNEALED, rate_before=0.05, anneal=0.05)
    assert low.heading == spent.heading == "schedule or rate too low"
    assert low.says.endswith("may have been too low")
    assert spent.says.endswith("may have been used up too early")


@pytest.mark.parametrize(
    ("gains", "cause"),
    [
        ({"rate_x3": 0.05, "anneal": 0.05}, "schedule or rate too low"),
        ({"rate_x3": 0.0, "anneal": 0.05}, "schedule"),
        ({"rate_tenth": 0.05, "rate_x3": 0.0}, "rate too high"),
        ({"larger": 0.05}, "resolution"),
        ({"moments": 0.05}, "moments"),
        ({"average": 0.05}, "rate too high"),
        ({"deep_supervision": 0.05}, "supervision"),
        ({"batch_x2": 0.05}, "gradient noise"),
        ({"batchnorm": 0.05}, "statistics"),
        ({"aggressive": 0.05}, ""),
        ({"my_own": 0.05}, ""),
    ],
)
def test_each_probe_has_its_cause(gains: dict[str, float], cause: str) -> None:
    assert causes(FACTS, **gains) == [cause]


def test_a_twin_that_is_better_means_nothing() -> None:
    assert causes(twin=0.05) == [CEILING]


def test_a_ceiling_clears_only_what_was_raced() -> None:
    (rates,) = found(rate_x3=-0.05, anneal=0.0)
    assert rates.says.startswith("by this race rates do not hold it back")
    assert rates.says.endswith("or pixels or side outputs, not raced")
    (every,) = found(rate_x3=-0.05, larger=0.0, deep_supervision=0.0)
    assert every.says.startswith("by this race rates and pixels and side outputs do not")
    assert "not raced" not in every.says
    (none,) = found(twin=0.0)
    assert none.says.startswith("the network's capacity")


def test_where_nothing_is_better_the_loss_says_what_is_left() -> None:
    assert causes(larger=0.0, rate_x3=-0.05) == [CEILING]
    falling = replace(FACTS, losses=np.linspace(1.2, 0.8, 10).tolist())
    assert causes(falling, larger=0.0) == ["time or data"]
    missed = replace(FACTS, ious=[0.0] * 5 + [0.8] * 15)
    (meaning,) = found(missed, larger=0.0)
    assert meaning.heading == "data or capacity"
    assert meaning.evidence[0].startswith("25% of the validation images")


def test_a_gain_that_images_cannot_tell_says_how_many_could() -> None:
    generator = np.random.default_rng(3)
    moved = generator.normal(0, 0.2, 60)
    scores = {"control": HARD, "larger": HARD + moved - moved.mean() + 0.04}
    verdict = judge(scores, "control")
    (meaning,) = explain_race(verdict, FACTS)
    assert meaning.heading == "validation"
    assert not verdict.gaps[0].better
    needed = int(meaning.evidence[1].split()[1])
    gap = verdict.gaps[0]
    assert needed == pytest.approx(60 * ((gap.high - gap.difference) / gap.difference) ** 2, abs=1)
    many = {n: np.tile(ious, -(-needed // 60) + 1) for n, ious in scores.items()}
    assert judge(many, "control").gaps[0].better  # as many do tell


def test_a_branch_that_diverged_is_told_beside() -> None:
    broke = replace(FACTS, diverged={"rate-x10": "diverged: no finite loss"})
    assert causes(broke, larger=0.05) == ["resolution", ""]
    assert causes(broke, larger=0.0) == [CEILING, ""]


def refuted(facts: RaceFacts = FACTS, **gains: float) -> list[str]:
    rows = enumerate(gains.items(), start=1)
    scores = {"control": HARD + NOISE[0]}
    scores |= {n.replace("_", "-"): HARD + NOISE[k] + gain for k, (n, gain) in rows}
    return [m.heading for m in refuted_causes(judge(scores, "control"), facts)]


def test_a_cause_whose_every_probe_surely_gains_nothing_is_refuted() -> None:
    assert refuted(larger=-0.05, moments=-0.05) == ["resolution", "moments"]
    assert refuted(rate_x3=-0.05, rate_x10=-0.05) == ["rate too low"]
    assert refuted(rate_x3=-0.05) == []  # the other probe of it was not raced
    assert refuted(rate_x3=-0.05, rate_x10=0.05) == []
    assert refuted(larger=0.006) == []  # its interval reaches what is worth having
    assert refuted(my_own=-0.05, conservative=-0.05, twin=0.0) == []  # of no one cause


def test_a_probe_that_fell_behind_refutes_and_one_that_diverged_does_not() -> None:
    behind = replace(FACTS, dropped={"larger": 2})
    (cause,) = refuted_causes(judge({"control": HARD, "twin": HARD}, "control"), behind)
    assert cause.causes == (Cause.RESOLUTION,)
    assert cause.evidence == ("larger: clearly behind after 2 of 3 epochs",)
    broke = replace(behind, diverged={"larger": "diverged: no finite loss"})
    assert refuted(broke, twin=0.0) == []


def test_nothing_is_supported_and_refuted_by_one_race() -> None:
    gains = {"rate_x3": 0.05, "rate_x10": -0.05, "anneal": 0.0, "larger": -0.05}
    assert causes(FACTS, **gains) == ["rate too low"]
    assert refuted(FACTS, **gains) == ["schedule", "resolution"]


def test_where_no_branch_finds_an_object_nothing_is_blamed_on_the_data() -> None:
    empty = {name: np.zeros(60) for name in ("control", "twin", "rate-x3")}
    none = replace(FACTS, ious=[0.0] * 60)

    (meaning,) = explain_race(judge(empty, "control"), none)

    assert meaning.causes == (Cause.TIME, Cause.RATE_TOO_LOW)
    assert "no branch finds an object anywhere" in meaning.says
    some = empty | {"rate-x3": np.full(60, 0.001)}
    assert "finds an object" not in str(explain_race(judge(some, "control"), none))
