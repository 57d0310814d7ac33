"""From a checkpoint, or from a folder that was made to be given away, to a network."""

from pathlib import Path

from decamo.checkpoint.load_save import load_checkpoint
from decamo.data.split_record import SplitRecord
from decamo.inference.loaded import Loaded
from decamo.inference.pretrained_folder import is_pretrained_folder, load_folder
from decamo.nn import network_of
from decamo.nn.weights import load_fitting

__all__ = ["load_model"]


def load_model(path: Path, network: str = "") -> Loaded:
    """Build the network of a checkpoint and load its weights.

    Args:
        path: of the checkpoint, or of a folder that ``Model.save_pretrained`` wrote.
        network: ``FILE.py:FUNCTION``, where its network comes from a file; else passed over.

    Raises:
        CheckpointError: the file is missing, damaged or foreign, or its weights are not those of
            the network that it describes.
    """
    if is_pretrained_folder(path):
        return load_folder(path, network)
    held = load_checkpoint(path)
    size = held.history[-1].img_size if held.history else held.settings.schedule.img_size
    model = network_of(held.architecture, path, network=network, size=size)
    load_fitting(model, held.weights if held.ema is None else held.ema.weights, path)
    weights = "raw" if held.ema is None else "average"
    images = SplitRecord() if held.images is None else held.images
    lineage = tuple(f"{s.kind}: {s.reason or 'a new run'}" for s in held.lineage.segments)
    best = held.best.iou if held.best.epoch else None
    epoch = held.position.epoch
    return Loaded(size, weights, epoch, held.rules, images, lineage, best, model=model.eval())
