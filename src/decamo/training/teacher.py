"""A trained network that another one follows as it learns."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from decamo.errors import CheckpointError, CheckpointMismatch
from decamo.inference.load_model import load_model
from decamo.nn import SegmentationNetwork

__all__ = ["Teacher", "load_teacher"]


@dataclass(frozen=True)
class Teacher:
    """Says of each training image, as it was augmented, what it would predict.

    Attributes:
        model: in evaluation mode, on the runtime's device; it never learns.
        img_size: side of the images that it was trained on, in px.
    """

    model: SegmentationNetwork
    img_size: int

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """Logits ``[B,1,H,W]`` for uint8 RGB ``[B,3,H,W]``, without gradient.

        It sees the image enlarged or shrunk to the size that it knows.
        """
        scale = self.img_size / image.shape[-1]
        logits: Tensor = self.model(self.model.normalize(image), scale=scale).logits
        return logits


def load_teacher(path: Path, device: torch.device, network: str = "") -> Teacher:
    """The network of a checkpoint, to be followed.

    Args:
        path: of the checkpoint.
        device: where it is to live.
        network: ``FILE.py:FUNCTION``, where its network comes from a file.

    Raises:
        CheckpointError: the file is missing, damaged or foreign.
    """
    try:
        loaded = load_model(path, network)
    except CheckpointError as error:
        remedy = "name a checkpoint of decamo train"
        if isinstance(error, CheckpointMismatch):
            remedy = error.remedy.replace("--network ", "--teacher-network ")
        raise type(error)(f"--teacher {path}", error.got, remedy) from error
    model = loaded.model.to(device)
    model.requires_grad_(False)
    return Teacher(model, loaded.img_size)
