import numpy as np
import pytest

from benchmarks.quality_gaps import gaps_beside, gaps_to_best
from benchmarks.quality_scores import SCORES, Score, SetScores
from decamo.errors import SettingsError

IMAGES = 40


def score_of(network: str, seed: int, iou: np.ndarray, mae: float = 0.2, name: str = "A") -> Score:
    scores = {score: tuple(iou.tolist()) for score in SCORES} | {"mae": (mae,) * len(iou)}
    stems = tuple(f"{name}{i}" for i in range(len(iou)))
    told = {"network": network, "seed": seed}
    return Score(told, 1, 1.0, "raw", {name: SetScores(stems, scores)})


def noise(seed: int, images: int = IMAGES) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.2, 0.6, images)


def test_a_constant_difference_has_no_width() -> None:
    base = noise(0)
    scores = [score_of("FPN", 0, base, 0.25), score_of("ours", 0, base + 0.125, 0.125)]
    found = {gap.score: gap for gap in gaps_to_best(scores, ["ours"])}
    assert found["iou"].difference == pytest.approx(0.125)
    assert (found["iou"].low, found["iou"].high) == pytest.approx((0.125, 0.125))
    assert found["mae"].difference == pytest.approx(0.125)  # lower is better
    assert (found["iou"].images, found["iou"].seeds) == (IMAGES, 1)


def test_the_best_peer_is_the_one_of_the_highest_mean_iou_of_the_set() -> None:
    base = noise(0)
    peers = [score_of("Unet", s, base + 0.1 * (s == 0)) for s in range(2)]
    peers += [score_of("FPN", s, base + 0.06) for s in range(2)]
    ours = [score_of("ours", s, base) for s in range(2)]
    assert {gap.peer for gap in gaps_to_best([*peers, *ours], ["ours"])} == {"FPN"}


def test_runs_are_paired_by_seed() -> None:
    """A difficulty of the seed that both share is not a spread of the difference."""
    base = noise(0)
    hard = {0: -0.15, 1: 0.0, 2: 0.15}
    scores = [score_of("FPN", s, base + h) for s, h in hard.items()]
    scores += [score_of("ours", s, base + h + 0.02) for s, h in reversed(hard.items())]
    gap = gaps_to_best(scores, ["ours"])[0]
    assert (gap.low, gap.difference, gap.high) == pytest.approx((0.02, 0.02, 0.02))
    assert gap.seeds == 3


def test_runs_that_differ_widen_the_interval_beyond_that_of_images() -> None:
    base = noise(0)
    apart = [score_of("FPN", s, base) for s in range(4)]
    alike = [score_of("ours", s, base + 0.01 * noise(s)) for s in range(4)]
    spread = [score_of("ours", s, base + 0.1 * (s % 2)) for s in range(4)]
    narrow, wide = (gaps_to_best([*apart, *own], ["ours"])[0] for own in (alike, spread))
    # Four runs 0 or 0.1 apart: their standard error times Student's t of 3 degrees, 3.182.
    error = np.std([0, 0.1, 0, 0.1], ddof=1) / 2
    assert (wide.high - wide.low) / 2 == pytest.approx(3.182 * error, rel=1e-3)
    assert narrow.high - narrow.low < 0.01


def test_an_interval_of_three_runs_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    base, held, trials = noise(0), 0, 300
    for _ in range(trials):
        runs = rng.normal(0.02, 0.03, 3)  # the truth is 0.02; images add little to it
        own = [
            score_of("ours", s, base + run + rng.normal(0, 0.01, IMAGES))
            for s, run in enumerate(runs)
        ]
        gap = gaps_to_best([*own, *(score_of("FPN", s, base) for s in range(3))], ["ours"])[0]
        held += gap.low <= 0.02 <= gap.high
    assert 0.91 * trials < held < 0.99 * trials


def test_the_interval_of_one_seed_is_that_of_the_images() -> None:
    base, apart = noise(0, 400), noise(1, 400) - 0.4
    gap = gaps_to_best([score_of("FPN", 0, base), score_of("ours", 0, base + apart)], ["ours"])[0]
    half = 1.96 * apart.std() / 20
    assert (gap.high - gap.low) / 2 == pytest.approx(half, rel=0.1)
    assert gap.difference == pytest.approx(apart.mean())


def test_without_a_peer_or_a_common_seed_there_is_nothing_to_tell() -> None:
    assert gaps_to_best([score_of("ours", 0, noise(0))], ["ours"]) == []
    scores = [score_of("FPN", 0, noise(0)), score_of("ours", 1, noise(0))]
    assert gaps_to_best(scores, ["ours"]) == []


def test_other_images_are_refused() -> None:
    scores = [score_of("FPN", 0, noise(0)), score_of("ours", 0, noise(0, IMAGES - 1))]
    with pytest.raises(ValueError, match="images of A"):
        gaps_to_best(scores, ["ours"])


def test_scores_of_another_build_are_paired_by_seed_whatever_they_are_called() -> None:
    base, hard = noise(0), {0: -0.15, 1: 0.15}
    own = [score_of("ours", s, base + h + 0.02) for s, h in hard.items()]
    other = [score_of("ours", s, base + h) for s, h in [*reversed(hard.items()), (7, 0.4)]]
    found = {
        gap.score: gap for gap in gaps_beside([*own, score_of("FPN", 0, base)], ["ours"], other)
    }
    assert (found["iou"].low, found["iou"].high) == pytest.approx((0.02, 0.02))
    assert (found["iou"].ours, found["iou"].peer) == ("ours", "ours of --beside")
    assert found["iou"].seeds == 2


@pytest.mark.parametrize(
    "other",
    [
        score_of("old", 1, noise(0)),
        score_of("old", 0, noise(0), 0.2, "B"),
        score_of("old", 0, noise(0, 3)),
    ],
)
def test_other_seeds_sets_and_images_of_another_build_are_refused(other: Score) -> None:
    with pytest.raises(SettingsError, match="--beside"):
        gaps_beside([score_of("ours", 0, noise(0))], ["ours"], [other])
