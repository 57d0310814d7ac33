"""How far our network is from the best peer: paired by image and seed, with an interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.paired import paired
from benchmarks.quality_scores import Score
from decamo.errors import SettingsError
from decamo.evaluation import RESAMPLES, interval, resamples

__all__ = ["GAP_SCORES", "Gap", "gap_of", "gaps_beside", "gaps_to_best"]

GAP_SCORES = ("iou", "dice", "mae")


@dataclass(frozen=True)
class Gap:
    """The difference of our network to a peer in one score on one test set.

    Attributes:
        dataset: name of the test set.
        ours: name of our network.
        peer: name of the peer.
        score: of :data:`GAP_SCORES`.
        difference: how much better ours is; for MAE, how much lower.
        low: lower end of the 95 % interval of the difference.
        high: its upper end.
        images: how many were compared.
        seeds: how many runs of each.
    """

    dataset: str
    ours: str
    peer: str
    score: str
    difference: float
    low: float
    high: float
    images: int
    seeds: int


def gaps_to_best(scores: Sequence[Score], ours: Sequence[str], *, seed: int = 0) -> list[Gap]:
    """Each of our networks beside the peer of the highest mean IoU, on every test set.

    The peer is chosen by the very scores that are compared, which flatters it. Runs of one seed saw
    the same images in the same order, so runs are paired by seed, and scores by image. The interval
    is over both (:mod:`benchmarks.paired`); a bootstrap of two or three runs would be too
    narrow. Of one seed it is a percentile bootstrap over images, and says nothing of runs.

    Args:
        scores: of all networks and seeds.
        ours: names of our networks; all others are peers.
        seed: of the resamples.
    """
    by_key = {(score.network, score.seed): score for score in scores}
    names = list(dict.fromkeys(score.network for score in scores))
    peers = [name for name in names if name not in ours]
    gaps: list[Gap] = []
    if not peers:
        return gaps
    for dataset in scores[0].sets:
        means = {peer: _mean_iou(scores, peer, dataset) for peer in peers}
        best = max(means, key=means.__getitem__)
        for own in (name for name in names if name in ours):
            seeds = [s.seed for s in scores if s.network == own and (best, s.seed) in by_key]
            pairs = [(by_key[own, s], by_key[best, s]) for s in seeds]
            beside = (own, best)
            gaps += [
                gap_of(dataset, name, beside, pairs, seed=seed) for name in GAP_SCORES if pairs
            ]
    return gaps


def gaps_beside(scores: Sequence[Score], ours: Sequence[str], others: Sequence[Score]) -> list[Gap]:
    """Each of our networks beside what another build kept of one, on every test set, as above.

    Raises:
        SettingsError: it was scored on other images, or no seed is the same.
    """
    gaps: list[Gap] = []
    for name in dict.fromkeys(other.network for other in others):
        kept = {other.seed: other for other in others if other.network == name}
        for own in dict.fromkeys(score.network for score in scores if score.network in ours):
            pairs = [(s, kept[s.seed]) for s in scores if s.network == own and s.seed in kept]
            for dataset in scores[0].sets:
                if not pairs or any(_images(a, dataset) != _images(b, dataset) for a, b in pairs):
                    raise SettingsError(
                        "--beside", f"{name} has no such seed, or other images of {dataset}",
                        "name scores of the same seeds and test sets",
                    )  # fmt: skip
                beside = (own, f"{name} of --beside")
                gaps += [gap_of(dataset, score, beside, pairs) for score in GAP_SCORES]
    return gaps


def _images(score: Score, dataset: str) -> tuple[str, ...] | None:
    return score.sets[dataset].images if dataset in score.sets else None


def _mean_iou(scores: Sequence[Score], network: str, dataset: str) -> float:
    return float(np.mean([s.sets[dataset].mean("iou") for s in scores if s.network == network]))


def gap_of(
    dataset: str,
    score: str,
    names: tuple[str, str],
    pairs: Sequence[tuple[Score, Score]],
    *,
    seed: int = 0,
) -> Gap:
    """The difference of two networks in one score on one test set.

    Args:
        dataset: name of the test set.
        score: of :data:`GAP_SCORES`.
        names: of the network that is asked about, and of the one it is compared with.
        pairs: their scores, a pair for each seed.
        seed: of the resamples.

    Raises:
        ValueError: their images are not the same.
    """
    sign = -1 if score == "mae" else 1
    held = [(own.sets[dataset], other.sets[dataset]) for own, other in pairs]
    if any(one.images != held[0][0].images for pair in held for one in pair):
        raise ValueError(f"the images of {dataset} are not the same in all runs")
    apart = sign * np.stack([own.array(score) - other.array(score) for own, other in held])
    runs, images = apart.shape
    if runs > 1:
        found = paired(apart)
        low, high = found.low, found.high
    else:
        over_images = resamples(images, count=RESAMPLES, seed=seed)
        low, high = interval((apart[0] * over_images).sum(axis=1))
    return Gap(dataset, *names, score, float(apart.mean()), low, high, images, runs)
