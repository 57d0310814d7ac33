"""The scores of a method on a data set, as a whole and by groups, with how they came about."""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar

from decamo.data.pairs import classes_of
from decamo.evaluation.bootstrap import CURVES, MEASURES, RESAMPLES, Draws, interval, resampled
from decamo.evaluation.breakdown import Loss, mean_loss
from decamo.evaluation.convention import Convention
from decamo.evaluation.measuring import ImageResult
from decamo.evaluation.score_protocol import Protocol, in_order_of_stems
from decamo.metrics import BIN_CURVES, ImageMeasures, SetMeasures, summarize_measures
from decamo.metrics.tally import Curve
from decamo.storage.spilled import Picked

__all__ = [
    "GROUPINGS",
    "Group",
    "SetScore",
    "grouped",
    "measures_of",
    "plain_score",
    "score_set",
]


_Result = TypeVar("_Result", bound=ImageResult)

OTHER = "(no class in the name)"
# Shares of the image, as in the stratified hold-out (5 % is COD10K's median, 20 % about its top
# tenth); below 1 % lie the objects that methods lose whole.
_SIZES = ((0.01, "under 1 %"), (0.05, "1 to 5 %"), (0.20, "5 to 20 %"), (1.01, "20 % and more"))
# CIE76 units; about 2.3 is just noticeable, about 10 is plain at a glance.
_CONTRASTS = ((5.0, "under 5"), (10.0, "5 to 10"), (20.0, "10 to 20"), (1e9, "20 and more"))


def grouped(results: Sequence[_Result], by: str) -> dict[str, Sequence[_Result]]:
    """Results by group, in the order of sizes or of names.

    Args:
        results: scored images.
        by: one of ``GROUPINGS``. Images of unknown contrast form no group.
    """
    name = GROUPINGS[by]
    groups: dict[str, array[int]] = {}
    for place, result in enumerate(results):
        group = name(result)
        if group is not None:
            groups.setdefault(group, array("I")).append(place)
    ranked = {label: rank for bins in (_SIZES, _CONTRASTS) for rank, (_, label) in enumerate(bins)}
    ordered = sorted(groups, key=lambda g: (ranked.get(g, 0), g))
    return {group: Picked.those(results, groups[group]) for group in ordered}


def _size(result: ImageResult) -> str:
    if result.foreground == 0:
        return "empty mask"
    return next(label for edge, label in _SIZES if result.foreground < edge)


def _contrast(result: ImageResult) -> str | None:
    if result.contrast is None:
        return None
    return next(label for edge, label in _CONTRASTS if result.contrast < edge)


GROUPINGS: dict[str, Callable[[ImageResult], str | None]] = {
    "class": lambda result: classes_of(result.stem)[0] or OTHER,
    "subclass": lambda result: classes_of(result.stem)[1] or OTHER,
    "size": _size,
    "contrast": _contrast,
}


@dataclass(frozen=True)
class Group:
    """The scores of some images of a set.

    Attributes:
        by: the grouping, such as ``class``; empty for the whole set.
        name: the group, such as ``Aquatic``; empty for the whole set.
        scores: means, with their count.
        intervals: 95 % bootstrap interval of each score.
        loss: what the lost IoU is made of, where asked for.
    """

    by: str
    name: str
    scores: SetMeasures
    intervals: dict[str, tuple[float, float]]
    loss: Loss | None = None


@dataclass(frozen=True)
class SetScore:
    """One method on one set.

    Attributes:
        method: its name.
        dataset: name of the set.
        protocol: how the scores came about.
        results: of each image, in the order of the stems.
        whole: scores of the whole set.
        groups: scores of its groups.
        others: scores of the whole set by the other convention, where it is scored by both.
    """

    method: str
    dataset: str
    protocol: Protocol
    results: Sequence[ImageResult]
    whole: Group
    groups: tuple[Group, ...] = ()
    others: SetMeasures | None = None


def score_set(
    method: str,
    dataset: str,
    protocol: Protocol,
    results: Sequence[ImageResult],
    *,
    by: Sequence[str] = (),
    seed: int = 0,
    count: int | None = None,
    others: Sequence[ImageMeasures] = (),
) -> SetScore:
    """Means, intervals and groups of the scored images of one method on one set.

    Args:
        method: its name.
        dataset: name of the set.
        protocol: how the images were scored.
        results: of the images, at least one.
        by: groupings, of ``GROUPINGS``.
        seed: of the bootstrap.
        count: of resamples; None for the default, 0 for no intervals.
        others: measures of the images by the other convention.
    """
    ordered = in_order_of_stems(results)
    groups = [
        _group(kind, name, members, seed, count)
        for kind in by
        for name, members in grouped(ordered, kind).items()
    ]
    whole = _group("", "", ordered, seed, count)
    both = summarize_measures(others) if others else None
    return SetScore(method, dataset, protocol, ordered, whole, tuple(groups), both)


def plain_score(score: SetScore, *, later: bool = False) -> dict[str, Any]:
    """A score as plain values, for JSON: protocol, means, intervals, curves, groups, images.

    ``reliability`` is the diagram of that name: for each of 15 bins of probability, from 0 on, the
    share of pixels in it, their mean probability, and which share of them is object; these two are
    None where the bin has no pixel.

    Args:
        score: of a set.
        later: the images are no list, but looked up when they are written.
    """
    curves = {name: getattr(score.whole.scores, name).tolist() for name in CURVES}
    plain = partial(_plain_image, score.dataset)
    images = Picked.each(score.results, plain)
    return {
        "method": score.method,
        "dataset": score.dataset,
        "data": score.protocol.names,
        "protocol": score.protocol.plain(),
        **_plain_group(score.whole),
        **_plain_others(score),
        "groups": [
            {"by": group.by, "group": group.name, **_plain_group(group)} for group in score.groups
        ],
        "curves": curves,
        "reliability": _plain_reliability(score.whole.scores),
        "images": images if later else list(images),
    }


def _plain_reliability(scores: SetMeasures) -> dict[str, list[float | None]]:
    def within(sums: Curve) -> list[float | None]:
        whole = zip(sums.tolist(), scores.bin_pixels.tolist(), strict=True)
        return [part / pixels if pixels else None for part, pixels in whole]

    return {
        "pixels": scores.bin_pixels.tolist(),
        "probability": within(scores.bin_probability),
        "object": within(scores.bin_object),
    }


def _plain_others(score: SetScore) -> dict[str, Any]:
    if score.others is None:
        return {}
    mean = {name: getattr(score.others, name) for name in MEASURES}
    name = Convention(score.protocol.convention).other
    return {"other_protocol": {"name": name, "count": score.others.count, "mean": mean}}


def _group(
    by: str, name: str, results: Sequence[ImageResult], seed: int, count: int | None
) -> Group:
    measures = measures_of(results)
    intervals: dict[str, tuple[float, float]] = {}
    if count != 0:
        weights = Draws(len(measures), seed=seed, count=RESAMPLES if count is None else count)
        intervals = {k: interval(v) for k, v in resampled(measures, weights).items()}
    losses = Picked.each(Picked.where(results, _has_loss), attrgetter("loss"))
    loss = mean_loss(losses) if losses else None
    return Group(by, name, summarize_measures(measures), intervals, loss)


def _has_loss(result: ImageResult) -> bool:
    return result.loss is not None


def measures_of(results: Sequence[ImageResult]) -> Sequence[ImageMeasures]:
    """The measures of each image, looked up when they are asked for."""
    return Picked.each(results, attrgetter("measures"))


def _plain_group(group: Group) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "count": group.scores.count,
        "mean": {name: getattr(group.scores, name) for name in MEASURES},
        "intervals": {name: list(ends) for name, ends in group.intervals.items()},
    }
    return plain if group.loss is None else plain | {"lost_iou": asdict(group.loss)}


def _plain_image(dataset: str, result: ImageResult) -> dict[str, Any]:
    names = [f.name for f in fields(result.measures) if f.name not in (*CURVES, *BIN_CURVES)]
    plain = {
        "image": f"{dataset}/{result.stem}",
        "object_share": result.foreground,  # once more, and the same, among the measures
        "missing": result.missing,
        **{name: getattr(result.measures, name) for name in names},
    }
    if result.loss is not None:
        plain |= {"contrast": result.contrast, "lost_iou": asdict(result.loss)}
    return plain
