import numpy as np
import numpy.typing as npt
import pytest

from decamo.races.judge import Verdict, judge, pair_gaps, seed_noise_of, surely_worse

Floats = npt.NDArray[np.float64]
IMAGES, BRANCHES, RACES = 40, 12, 300


def race(
    generator: np.random.Generator, gain: float = 0.0, heavy: bool = False
) -> dict[str, Floats]:
    """Scores of a control and 12 branches that share their images' difficulty."""
    hard = generator.beta(2, 1.2, IMAGES)

    def one() -> Floats:
        if heavy:  # most images alike, a few far off
            moved = generator.random(IMAGES) < 0.5
            return hard + 0.05 * generator.standard_t(3, IMAGES) * moved
        return hard + generator.normal(0, 0.05, IMAGES)

    scores = {"control": one()} | {f"b{k}": one() for k in range(BRANCHES)}
    scores["b3"] = scores["b3"] + gain
    return scores


def verdicts(gain: float = 0.0, heavy: bool = False, races: int = RACES) -> list[Verdict]:
    generator = np.random.default_rng(7)
    return [judge(race(generator, gain, heavy), "control", seed=k) for k in range(races)]


@pytest.mark.parametrize("heavy", [False, pytest.param(True, marks=pytest.mark.long)])
def test_where_no_branch_differs_one_race_in_twenty_says_so_at_most(heavy: bool) -> None:
    """Family-wise: any of 12 intervals without 0 is an error. 300 races scatter by 1.3 %."""
    found = verdicts(heavy=heavy)
    wrong = sum(any(g.better or g.worse for g in v.gaps) for v in found) / RACES
    assert wrong <= 0.05 + 2 * 0.0126
    if not heavy:
        assert wrong >= 0.01  # nor is it so careful that nothing could ever win
        naive = sum(
            any(abs(g.difference) > 1.96 * 0.05 * np.sqrt(2 / IMAGES) for g in v.gaps)
            for v in found
        )
        assert naive / RACES > 0.2  # which is what looking at each alone would do


def test_a_real_gain_is_found() -> None:
    found = verdicts(gain=0.05, races=60)
    names = [f"b{k}" for k in range(BRANCHES)]
    winners = [w.branch for v in found if (w := v.winner_among(names)) is not None]
    assert len(winners) > 48
    assert set(winners) == {"b3"}


def test_one_difference_has_the_interval_of_student() -> None:
    """With a single branch, simultaneous is plain: mean +- t s / sqrt(n), t(39) = 2.023."""
    generator = np.random.default_rng(1)
    a, b = generator.normal(0, 0.1, (2, IMAGES))
    gap = judge({"control": a, "b": b}, "control").gaps[0]
    assert gap.difference == pytest.approx((b - a).mean())
    half = 2.023 * (b - a).std(ddof=1) / np.sqrt(IMAGES)
    assert gap.high - gap.difference == pytest.approx(half, rel=0.1)
    assert gap.difference - gap.low == pytest.approx(gap.high - gap.difference)


def test_many_alike_cost_no_more_than_one() -> None:
    """Twelve copies of one branch are one hypothesis; a Bonferroni correction would not see it."""
    generator = np.random.default_rng(2)
    a, b = generator.normal(0, 0.1, (2, IMAGES))
    one = judge({"control": a, "b": b}, "control").gaps[0]
    many = judge({"control": a} | {f"b{k}": b for k in range(12)}, "control").gaps[5]
    assert (many.low, many.high) == pytest.approx((one.low, one.high))


def test_seed_noise_widens_every_interval_and_never_moves_its_middle() -> None:
    scores = race(np.random.default_rng(3), gain=0.05)
    bare, wide = judge(scores, "control"), judge(scores, "control", seed_noise=0.02)
    for a, b in zip(bare.gaps, wide.gaps, strict=True):
        assert a.difference == b.difference
        factor = (b.high - b.difference) ** 2 - (a.high - a.difference) ** 2
        assert np.sqrt(factor) / 0.02 == pytest.approx(2.9, abs=0.4)  # the same factor as images


def test_seed_noise_is_the_root_mean_square() -> None:
    assert seed_noise_of([0.03, -0.04]) == pytest.approx(np.sqrt(0.00125))
    assert seed_noise_of([]) == 0


def test_equal_scores_have_no_difference() -> None:
    ious = np.linspace(0, 1, IMAGES)
    gap = judge({"control": ious, "b": ious}, "control").gaps[0]
    assert (gap.difference, gap.low, gap.high) == (0, 0, 0)
    assert not gap.better
    assert not gap.worse


def test_one_image_proves_nothing() -> None:
    gap = judge({"control": np.zeros(1), "b": np.ones(1)}, "control").gaps[0]
    assert (gap.low, gap.high) == (-np.inf, np.inf)


def test_pairs_are_both_ways_and_mirror_each_other() -> None:
    pairs = pair_gaps(race(np.random.default_rng(4)))
    assert len(pairs) == 13 * 12
    there, back = pairs["b1", "b2"], pairs["b2", "b1"]
    assert (back.difference, back.low, back.high) == (-there.difference, -there.high, -there.low)


def test_those_clearly_behind_the_leader_are_named_but_never_the_spared() -> None:
    scores = race(np.random.default_rng(5), gain=0.3)
    scores["b5"] = scores["b5"] + 0.3
    named = {f"b{k}" for k in range(BRANCHES)}
    assert surely_worse(scores, ["control"]) == named - {"b3", "b5"}
    assert surely_worse({"control": scores["control"], "b0": scores["b0"]}, ["control"]) == set()


def test_where_none_differs_the_true_best_is_seldom_dropped() -> None:
    generator = np.random.default_rng(6)
    dropped = sum(bool(surely_worse(race(generator), ["control"])) for _ in range(100))
    assert dropped <= 10


@pytest.mark.parametrize("scores", [{"control": [], "b": []}, {"control": [1.0], "b": [1.0, 2.0]}])
def test_other_shapes_are_refused(scores: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match="as many images"):
        judge({name: np.array(ious) for name, ious in scores.items()}, "control")
