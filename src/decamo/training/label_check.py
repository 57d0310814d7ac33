"""How good a network's labels are where it is sure, on images held out whose masks are known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decamo.data.pairs import Pair
from decamo.data.read_ahead import patient_read
from decamo.data.reading import Labels, read_labelled
from decamo.data.split_record import SplitRecord
from decamo.data.waiting import Ear
from decamo.inference.labelling import label_by
from decamo.inference.predictor import Predictor
from decamo.metrics import iou
from decamo.settings.words import counted

__all__ = ["HeldOut", "checked_labels", "unmet"]

_MOST = 200  # images: their mean is then known to 0.02


@dataclass(frozen=True)
class HeldOut:
    """Images that a run holds out, to check labels by.

    Attributes:
        pairs: with their true masks.
        record: of the run, which has their digests.
    """

    pairs: Sequence[Pair] = ()
    record: SplitRecord = SplitRecord()


def unmet(held: HeldOut, met: SplitRecord) -> list[Pair]:
    """Those of the images held out that a network has not trained on, at most 200, evenly spread.

    Args:
        held: of the run.
        met: by the network; an image counts by its content.
    """
    trained = {known.image for known in met.images if not known.held}
    digests = {known.key: known.image for known in held.record.images}
    fit = [pair for pair in held.pairs if digests.get(pair.key, "") not in trained | {""}]
    return fit[:: -(-len(fit) // _MOST) or 1]


def checked_labels(predictor: Predictor, pairs: Sequence[Pair], confidence: float, ear: Ear) -> str:
    """The mean IoU of labels that are sure enough with the true masks, in a line; or nothing.

    Args:
        predictor: of the network that labels, of decision ``half``.
        pairs: that it has not trained on.
        confidence: expected IoU from which on a label counts.
        ear: listened to while they are read.

    Raises:
        DataError: one cannot be read any more.
        StopAsked: there was a reason to stop.
    """
    if not pairs:
        return ""
    fits: list[float] = []
    for pair in pairs:
        pixels, truth = patient_read(read_labelled, pair, ear, name=lambda one: one.image)
        label = label_by(predictor, predictor.prepare(pixels))
        if label.confidence >= confidence:
            fits.append(_iou(label.mask, truth))
        ear.heed()
    of = counted(len(pairs), "held-out image")
    if not fits:
        return f"labels: of {of} the network is sure of none, so how good they are is not known"
    return (
        f"labels: of {of} the network is as sure of {len(fits)}, and has a mean IoU of"
        f" {sum(fits) / len(fits):.2f} on these"
    )


def _iou(mask: NDArray[np.bool_], truth: Labels) -> float:
    if truth.void is None:
        return iou(mask, truth.object)
    return iou(mask & ~truth.void, truth.object & ~truth.void)
