"""How much of each pixel of a smaller square a mask covers."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["share_of"]


def share_of(mask: Tensor, size: int) -> Tensor:
    """A mask as the covered share of each pixel of a square, in 255ths.

    One axis at a time, and each time along the columns of four interleaved channels, which is the
    layout that torch's resizing of bytes is quick for. Columns and then rows without any object
    stay out of it, as each column and row is resized for itself. Rounded after each axis: within 1
    of the exact share, so that a mask cut at 128 may differ from
    :meth:`~decamo.geometry.Squash.apply_mask` where half a pixel is covered.

    Args:
        mask: uint8 or bool ``[1, H, W]``, 0 or 1.
        size: side of the result, in px.

    Returns:
        uint8 ``[1, size, size]``.
    """
    on = mask[0].numpy().view(np.uint8)
    shares = np.zeros((size, size), dtype=np.uint8)
    left, right = _filled(np.bitwise_or.reduce(on, axis=0))
    tall = _squeezed(on[:, left:right] * np.uint8(255), size)
    top, bottom = _filled(np.bitwise_or.reduce(tall, axis=1))
    if top < bottom:
        columns = np.zeros((on.shape[1], bottom - top), dtype=np.uint8)
        columns[left:right] = tall[top:bottom].T
        shares[top:bottom] = _squeezed(columns, size).T
    return torch.from_numpy(shares)[None]


def _filled(line: NDArray[np.uint8]) -> tuple[int, int]:
    """Where what is not 0 begins, and behind which place it ends; twice 0 where all is."""
    places = np.flatnonzero(line)
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)


def _squeezed(values: NDArray[np.uint8], rows: int) -> NDArray[np.uint8]:
    """``[H, W]`` -> ``[rows, W]``."""
    height, width = values.shape
    if height == rows or not width:
        return values[:rows]
    wide = np.zeros((height, -(-width // 4) * 4), dtype=np.uint8)
    wide[:, :width] = values
    planes = torch.from_numpy(wide).reshape(1, height, -1, 4).permute(0, 3, 1, 2)
    new = F.interpolate(planes, (rows, planes.shape[-1]), mode="bilinear", antialias=True)
    return new.permute(0, 2, 3, 1).reshape(rows, -1)[:, :width].numpy()
