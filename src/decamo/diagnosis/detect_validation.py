"""What validation itself tells: how much it can resolve, and what the network answers in it."""

from collections.abc import Iterator

import numpy as np

from decamo.diagnosis.case import RunView
from decamo.diagnosis.symptom import Evidence, Symptom, SymptomKind
from decamo.diagnosis.thresholds import Thresholds

__all__ = ["one_sided_validation", "saturated", "thin_validation"]

# One epoch may be odd.
LOOKED_AT = 3


def thin_validation(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """The standard error of the mean IoU against the gain that a plateau is judged by.

    All epochs see the same images, so that a change from epoch to epoch is surer than this; how
    the score carries over to other images is not.
    """
    last = next((p for p in reversed(case.present) if p.known("iou_sd") and p.val_images), None)
    if last is None or last.iou_sd is None or not last.val_images or not 0 < last.iou_sd <= 1:
        return
    error = last.iou_sd / last.val_images**0.5
    if error <= thresholds.plateau_gain:
        return
    seen = last.epoch, last.epoch
    enough = int(np.ceil((last.iou_sd / thresholds.plateau_gain) ** 2))
    yield Symptom(
        SymptomKind.THIN_VALIDATION,
        "notice" if error > 2 * thresholds.plateau_gain else "info",
        seen,
        f"{last.val_images} validation images know the mean IoU to within {error:.4f} (standard"
        f" error), more than the {thresholds.plateau_gain:.4f} that is judged; about {enough} would"
        " do",
        (
            Evidence("standard error of the mean IoU", error, thresholds.plateau_gain, seen),
            Evidence("standard deviation of the images' IoU", last.iou_sd, None, seen),
            Evidence("validation images", last.val_images, enough, seen),
        ),
        1.0,
    )


def one_sided_validation(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """Predicted area against true area."""
    ratios = [
        (p.epoch, p.predicted_share / p.object_share)
        for p in case.present
        if p.known("predicted_share") is not None
        and p.predicted_share is not None
        and p.object_share is not None
        and (p.known("object_share") or 0) > 0
    ][-LOOKED_AT:]
    if not ratios:
        return
    ratio = float(np.median([r for _, r in ratios]))
    if 1 / thresholds.one_sided <= ratio <= thresholds.one_sided:
        return
    seen = ratios[0][0], ratios[-1][0]
    sides = "far too much" if ratio > 1 else "far too little"
    yield Symptom(
        SymptomKind.ONE_SIDED_VALIDATION,
        "notice",
        seen,
        f"{sides} is predicted as object: {ratio:.2f} times the true area",
        (
            Evidence(
                "predicted area as a multiple of the true one",
                ratio,
                thresholds.one_sided if ratio > 1 else 1 / thresholds.one_sided,
                seen,
            ),
        ),
        1.0,
    )


def saturated(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """Mistakes made with near certainty leave gradients little to hold on to."""
    epochs, shares = case.series("sure_wrong")
    if not len(shares):
        return
    share = float(np.median(shares[-LOOKED_AT:]))
    if share <= thresholds.sure_wrong:
        return
    seen = int(epochs[-LOOKED_AT:][0]), int(epochs[-1])
    yield Symptom(
        SymptomKind.SATURATED,
        "notice",
        seen,
        f"saturated: {share:.0%} of the wrong pixels are predicted with near certainty",
        (Evidence("share of sure mistakes", share, thresholds.sure_wrong, seen),),
        0.7,
    )
