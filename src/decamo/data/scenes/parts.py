"""Parts of an animal as signed distances: lobes, limbs, and their smooth union."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from decamo.data.scenes.textures import Field

__all__ = ["Distance", "chain", "limb", "lobe", "union"]

Distance = Callable[[Field, Field], Field]
"""Signed distance at points (u, v), negative inside; all in creature units."""

_JOINT = 0.05  # radius by which parts melt into each other, creature units


def lobe(cx: float, cy: float, rx: float, ry: float, angle: float = 0.0) -> Distance:
    """Ellipse; distance to first order, value over gradient."""
    cos, sin = float(np.cos(angle)), float(np.sin(angle))

    def distance(u: Field, v: Field) -> Field:
        a = ((u - cx) * cos + (v - cy) * sin) / rx
        b = ((v - cy) * cos - (u - cx) * sin) / ry
        value = np.sqrt(a * a + b * b)
        slope = np.sqrt((a / rx) ** 2 + (b / ry) ** 2)
        return value * (value - 1) / np.maximum(slope, 1e-9)

    return distance


def limb(ax: float, ay: float, bx: float, by: float, ra: float, rb: float) -> Distance:
    """Capsule from a to b whose radius runs from ``ra`` to ``rb``."""
    ex, ey = bx - ax, by - ay
    norm = max(ex * ex + ey * ey, 1e-9)

    def distance(u: Field, v: Field) -> Field:
        along = np.clip(((u - ax) * ex + (v - ay) * ey) / norm, 0, 1)
        off = np.sqrt((u - ax - along * ex) ** 2 + (v - ay - along * ey) ** 2)
        return off - (ra + along * (rb - ra))

    return distance


def union(*parts: Distance) -> Distance:
    """Polynomial smooth minimum of the parts (Quilez, 2008)."""

    def distance(u: Field, v: Field) -> Field:
        whole = parts[0](u, v)
        for part in parts[1:]:
            other = part(u, v)
            blend = np.maximum(_JOINT - np.abs(whole - other), 0)
            whole = np.minimum(whole, other) - blend * blend / (4 * _JOINT)
        return whole

    return distance


def chain(points: Field, radii: Field) -> list[Distance]:
    """Limbs along a polyline ``[N, 2]`` with a radius at each of its points."""
    stations = [(*xy, radius) for xy, radius in zip(points.tolist(), radii.tolist(), strict=True)]
    return [limb(ax, ay, bx, by, ra, rb) for (ax, ay, ra), (bx, by, rb) in pairwise(stations)]
