"""A network with what is known of its training, out of a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from decamo.data.rules import ReadingRule
from decamo.data.split_record import SplitRecord
from decamo.nn import SegmentationNetwork

__all__ = ["Loaded"]


@dataclass(frozen=True)
class Loaded:
    """A network and how it was trained.

    Attributes:
        model: in evaluation mode, on the CPU; the moving average where the run had one.
        img_size: side of the training images, in px.
        weights: ``average`` or ``raw``.
        epoch: epochs behind it.
        rules: how the files of each data set were read that it was trained on.
        images: those it has met; none where its checkpoint remembers none.
        lineage: how its run began and went on, each with its reason.
        best_iou: best validation IoU of its run, in [0, 1]; None where it has none.
    """

    model: SegmentationNetwork
    img_size: int
    weights: str
    epoch: int
    rules: Mapping[str, ReadingRule] = field(default_factory=dict)
    images: SplitRecord = SplitRecord()
    lineage: tuple[str, ...] = ()
    best_iou: float | None = None
