"""The lower convex hull of points in the plane, in one pass of compiled code.

Seen as a function, its slope is the isotonic regression of the slopes from point to point, weighted
by their widths (Barlow, Bartholomew, Bremner and Brunk, "Statistical inference under order
restrictions", 1972). SciPy finds that by pooling adjacent violators.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

__all__ = ["lower_hull"]

Indices = npt.NDArray[np.intp]
Reals = npt.NDArray[np.float64]
# Slopes, widths and room for the starts of blocks to the slopes pooled, the widths pooled, the
# starts, and how many blocks there are; all may be changed in place.
Pool = Callable[[Reals, Reals, Indices], tuple[Reals, Reals, Indices, int]]


def lower_hull(x: Reals, y: Reals) -> tuple[Indices, Reals]:
    """Corners of the greatest convex function that lies nowhere above the points.

    Args:
        x: float64 ``[N]``, rising; N at least 1.
        y: float64 ``[N]``.

    Returns:
        Which points are corners, intp ``[K]``, rising; and the slopes from one to the next,
        float64 ``[K - 1]``, rising, rounded. A point on the line between two others is no corner,
        but for rounding.
    """
    if len(x) == 1:
        return np.zeros(1, dtype=np.intp), np.empty(0)
    width = np.diff(x)
    slope, _, start, count = _pool(np.diff(y) / width, width, np.empty(len(x), dtype=np.intp))
    corner = start[: count + 1]
    return corner, slope[corner[:-1]]


def _public_pool(slope: Reals, width: Reals, _: Indices) -> tuple[Reals, Reals, Indices, int]:
    """By the documented function, whose package takes 0.7 s to load."""
    found = import_module("scipy.optimize").isotonic_regression(slope, weights=width)
    return found.x, found.weights, found.blocks, len(found.weights)


def _load() -> Pool:
    """The compiled part of that function alone, 0.4 ms, where SciPy keeps it; else the function.

    Every process that scores maps loads this, and needs nothing else of SciPy.
    """
    package = find_spec("scipy")
    places = package.submodule_search_locations if package else None
    part = PathFinder.find_spec("_pava_pybind", [str(Path(p) / "optimize") for p in places or ()])
    if part is None or part.loader is None:
        return _public_pool
    module: Any = module_from_spec(part)
    part.loader.exec_module(module)
    return cast(Pool, module.pava)


_pool = _load()
