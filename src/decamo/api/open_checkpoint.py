"""A checkpoint, or a folder with a network, as what makes maps with torch."""

import sys
from dataclasses import dataclass
from pathlib import Path

from decamo.inference.hub import HUB, fetch_folder
from decamo.inference.load_model import load_model
from decamo.inference.loaded import Loaded
from decamo.inference.predictor import Predictor
from decamo.inference.views import Views
from decamo.nn.build import check_sizes
from decamo.training.runtime import open_runtime

__all__ = ["OpenedCheckpoint", "open_checkpoint"]


@dataclass(frozen=True)
class OpenedCheckpoint:
    """A network that is ready to predict.

    Attributes:
        path: of the file or folder.
        loaded: the network and how it was trained.
        predictor: that makes its maps.
    """

    path: Path
    loaded: Loaded
    predictor: Predictor


def open_checkpoint(
    checkpoint: str | Path,
    *,
    device: str,
    precision: str,
    img_size: int | None,
    views: Views,
    decide: str,
    network: str,
) -> OpenedCheckpoint:
    """Load a network by torch; arguments and errors are those of :func:`decamo.load`."""
    path = fetch_folder(str(checkpoint)) if str(checkpoint).startswith(HUB) else Path(checkpoint)
    loaded = load_model(path, network)
    for note in loaded.model.notes():
        if note.startswith("warning: "):
            sys.stderr.write(f"decamo: {note}\n")
    size = loaded.img_size if img_size is None else img_size
    check_sizes(loaded.model, [size], views.scales)
    runtime = open_runtime(device, precision)
    loaded.model.to(runtime.device)
    predictor = Predictor(loaded.model, size, runtime.device, runtime.dtype, views, decide)
    return OpenedCheckpoint(path, loaded, predictor)
