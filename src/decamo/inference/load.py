"""A checkpoint as a network that is ready to predict."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from decamo.data.rules import ReadingRule, rules_from_plain
from decamo.data.split_record import SplitRecord
from decamo.nn import Segmenter, from_architecture
from decamo.nn.fitting import load_fitting
from decamo.storage.sealed import load_sealed

__all__ = ["Loaded", "load_model"]


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
    """

    model: Segmenter
    img_size: int
    weights: str
    epoch: int
    rules: Mapping[str, ReadingRule] = field(default_factory=dict)
    images: SplitRecord = SplitRecord()


def load_model(path: Path) -> Loaded:
    """Build the network of a checkpoint and load its weights.

    Raises:
        CheckpointError: the file is missing, damaged or foreign, or its weights are not those of
            the network that it describes.
    """
    plain = load_sealed(path)
    model = from_architecture(plain["architecture"], path)
    average = plain["ema"]
    load_fitting(model, plain["model"] if average is None else average["weights"], path)
    history = plain["history"]
    size = history[-1]["img_size"] if history else plain["settings"]["schedule"]["img_size"]
    weights = "raw" if average is None else "average"
    rules = rules_from_plain(plain.get("rules"))
    held = plain.get("images")
    images = SplitRecord() if held is None else SplitRecord.from_plain(held)
    return Loaded(model.eval(), size, weights, plain["position"]["epoch"], rules, images)
