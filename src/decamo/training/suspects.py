"""Which images made the loss non-finite, and what they looked like."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from decamo.data.loader import Batch
from decamo.storage import RunFolder, make_folder, write_whole
from decamo.system import file_name
from decamo.training.step import Stepper

__all__ = ["keep_suspects", "suspects_among"]


@torch.no_grad()
def suspects_among(stepper: Stepper, batches: Sequence[Batch]) -> tuple[str, ...]:
    """Keys of the images whose own loss is not finite; of all, where each alone is finite."""
    found = [
        batch.keys[i]
        for batch in batches
        for i in range(batch.size)
        if not stepper.loss_is_finite(_one(batch, i))
    ]
    return tuple(found) or tuple(key for batch in batches for key in batch.keys)


def keep_suspects(
    folder: RunFolder, step: int, batches: Sequence[Batch], keys: Sequence[str]
) -> None:
    """Save these images, as the network saw them, with their masks, as PNG for people to look at.

    Raises:
        StorageError: they cannot be written.
    """
    place = folder.suspects / f"step-{step:06d}"
    make_folder(place)
    for batch in batches:
        for i, key in enumerate(batch.keys):
            if key in keys:
                name = file_name(key)
                pixels = batch.image[i].permute(1, 2, 0).numpy()
                write_whole(place / f"{name}.png", _png(Image.fromarray(pixels)))
                mask = Image.fromarray(_GREYS[batch.mask[i, 0].numpy()])
                write_whole(place / f"{name}-mask.png", _png(mask))


_GREYS = np.full(256, 128, dtype=np.uint8)  # void, where a data set has it, is grey
_GREYS[:2] = 0, 255


def _one(batch: Batch, i: int) -> Batch:
    part = slice(i, i + 1)
    return Batch(batch.image[part], batch.mask[part], batch.keys[part])


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
