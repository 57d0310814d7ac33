"""What is known of a network's training, with the network where it is at hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from decamo.data.rules import ReadingRule, rules_from_plain
from decamo.data.split_record import SplitRecord

if TYPE_CHECKING:  # torch: decisions/0007
    from decamo.nn import SegmentationNetwork

__all__ = ["Loaded", "Trained"]


@dataclass(frozen=True)
class Trained:
    """How a network was trained.

    Attributes:
        img_size: side of the training images, in px.
        weights: ``average`` or ``raw``.
        epoch: epochs behind it.
        rules: how the files of each data set were read that it was trained on.
        images: those it has met; none where its checkpoint remembers none.
        lineage: how its run began and went on, each with its reason.
        best_iou: best validation IoU of its run, in [0, 1]; None where it has none.
    """

    img_size: int
    weights: str
    epoch: int
    rules: Mapping[str, ReadingRule] = field(default_factory=dict)
    images: SplitRecord = SplitRecord()
    lineage: tuple[str, ...] = ()
    best_iou: float | None = None

    def to_plain(self) -> dict[str, Any]:
        """Plain values to give away: images go by their content, not by the names they had."""
        known = [replace(one, key=one.image) for one in self.images.images]
        return {
            "img_size": self.img_size,
            "epoch": self.epoch,
            "weights": self.weights,
            "rules": {name: rule.to_plain() for name, rule in self.rules.items()},
            "images": SplitRecord(tuple(known)).to_plain(),
            "lineage": list(self.lineage),
            "best_iou": self.best_iou,
        }

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> "Trained":
        """The inverse of :meth:`to_plain`.

        Raises:
            KeyError: a value is missing.
            TypeError: a value is of another type.
            ValueError: as above.
        """
        best = plain["best_iou"]
        return Trained(
            img_size=int(plain["img_size"]),
            weights=str(plain["weights"]),
            epoch=int(plain["epoch"]),
            rules=rules_from_plain(dict(plain["rules"])),
            images=SplitRecord.from_plain(dict(plain["images"])),
            lineage=tuple(str(one) for one in plain["lineage"]),
            best_iou=None if best is None else float(best),
        )


@dataclass(frozen=True, kw_only=True)
class Loaded(Trained):
    """A network and how it was trained.

    Attributes:
        model: in evaluation mode, on the CPU; the moving average where the run had one.
    """

    model: "SegmentationNetwork"
