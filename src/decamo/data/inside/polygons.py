"""Polygons and masks -> run lengths, by pycocotools: a module of its own, for it is an extra."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask

__all__ = ["runs_of_mask", "runs_of_polygons"]


def runs_of_polygons(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> bytes:
    """The union of some polygons as COCO's compressed run lengths.

    Args:
        polygons: corners, x and y in turn, in px; three at least, near the image: nothing is
            checked here, nor there.
        size: height and width.
    """
    parts = mask.frPyObjects([[float(n) for n in corners] for corners in polygons], *size)
    return bytes(mask.merge(parts)["counts"])


def runs_of_mask(picture: NDArray[np.bool_]) -> dict[str, Any]:
    """A mask ``[H, W]`` as COCO has it: ``size`` and compressed ``counts``, plain JSON values."""
    found = mask.encode(np.asfortranarray(picture.astype(np.uint8)))
    return {"size": [int(n) for n in found["size"]], "counts": found["counts"].decode("ascii")}
