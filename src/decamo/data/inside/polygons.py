"""Polygons -> run lengths, by pycocotools: a module of its own, for it is an extra."""

from collections.abc import Sequence

from pycocotools import mask

__all__ = ["runs_of_polygons"]


def runs_of_polygons(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> bytes:
    """The union of some polygons as COCO's compressed run lengths.

    Args:
        polygons: corners, x and y in turn, in px; three at least, near the image: nothing is
            checked here, nor there.
        size: height and width.
    """
    parts = mask.frPyObjects([[float(n) for n in corners] for corners in polygons], *size)
    return bytes(mask.merge(parts)["counts"])
