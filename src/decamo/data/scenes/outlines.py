"""Outlines of animals: smooth unions of lobes and limbs, and Fourier blobs, as distance fields."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from decamo.data.scenes.ground import Distance, chain, limb, lobe, union
from decamo.data.scenes.textures import Field, slow_noise

__all__ = ["KINDS", "OutlineKind", "draw_outline"]

_WHOLE_SHARE = 0.65  # of the animals lie wholly inside of the picture, if they fit
_VISIBLE = 0.6  # at least this share of any other does


@dataclass(frozen=True)
class OutlineKind:
    """A family of outlines and its place in COD10K's naming.

    Attributes:
        label: word used in file names.
        number: class number in file names.
        superclass: number and word of the super-class, such as ``1-Aquatic``.
        build: draws one animal of the kind: its signed distance in creature units (the animal
            spans about [-1, 1], x forward), negative inside.
    """

    label: str
    number: int
    superclass: str
    build: Callable[[np.random.Generator], Distance]


def draw_outline(kind: OutlineKind, rng: np.random.Generator, size: int, area: float) -> Field:
    """Draw one animal at a random place and heading.

    Args:
        kind: family of outlines.
        rng: generator to draw from.
        size: side of the picture in px.
        area: share of the picture that the whole animal would cover; where it is cut by the
            border, about 60 % of it or more remains.

    Returns:
        Approximate signed distance to the outline, float64 ``[size, size]``, in shares of the
        side, negative inside.
    """
    distance = kind.build(rng)
    scale = float(np.sqrt(area / _unit_area(distance)))
    heading, flip = float(rng.uniform(0, 2 * np.pi)), 1 if rng.random() < 0.5 else -1
    # 0.98, not 1: the areas are counted on two coarse grids.
    visible = 0.98 if rng.random() < _WHOLE_SHARE else _VISIBLE
    x, y = _pixels(48)
    for _ in range(30):
        centre = rng.uniform(0.1, 0.9, 2)
        u, v = _to_creature(x, y, centre, heading, flip, scale)
        if (distance(u, v) < 0).mean() >= visible * area:
            break
    else:
        centre = np.array([0.5, 0.5])
    x, y = _pixels(size)
    u, v = _to_creature(x, y, centre, heading, flip, scale)
    wobble = 0.035 * slow_noise(rng, size, 0.9 * scale), 0.035 * slow_noise(rng, size, 0.9 * scale)
    return distance(u + wobble[0], v + wobble[1]) * scale


def _pixels(size: int) -> tuple[Field, Field]:
    """Pixel centres as shares of the side, x and y, ``[size, size]`` each."""
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size
    return x, y


def _to_creature(
    x: Field, y: Field, centre: Field, heading: float, flip: int, scale: float
) -> tuple[Field, Field]:
    dx, dy = (x - centre[0]) / scale, (y - centre[1]) / scale
    cos, sin = np.cos(heading), np.sin(heading)
    return dx * cos + dy * sin, flip * (dy * cos - dx * sin)


def _unit_area(distance: Distance) -> float:
    """Area in creature units, counted on a grid over [-2, 2]."""
    x, y = _pixels(64)
    return max(float((distance(4 * x - 2, 4 * y - 2) < 0).mean()) * 16, 0.05)


def _fish(rng: np.random.Generator) -> Distance:
    deep, bend = rng.uniform(0.3, 0.5), rng.uniform(-0.2, 0.2)
    fork = rng.uniform(0.3, 0.5)
    return union(
        lobe(0.15, 0, 0.85, deep),
        limb(-0.5, 0, -0.85, bend, 0.16, 0.08),
        limb(-0.85, bend, -1.2, bend + fork, 0.1, 0.05),
        limb(-0.85, bend, -1.2, bend - fork, 0.1, 0.05),
        limb(0.2, -0.8 * deep, -0.3, -1.3 * deep, 0.12, 0.05),
        limb(0.2, 0.8 * deep, -0.15, 1.3 * deep, 0.1, 0.04),
    )


def _ray(rng: np.random.Generator) -> Distance:
    span, sweep, bend = rng.uniform(0.7, 0.95), rng.uniform(-0.4, -0.1), rng.uniform(-0.3, 0.3)
    tail = np.array([[-0.3, 0], [-0.8, 0.3 * bend], [-1.5, bend]])
    return union(
        lobe(0.1, 0, 0.6, 0.42),
        limb(0.1, 0.2, sweep, span, 0.36, 0.07),
        limb(0.1, -0.2, sweep, -span, 0.36, 0.07),
        *chain(tail, np.array([0.16, 0.07, 0.03])),
    )


def _blob(rng: np.random.Generator) -> Distance:
    """Radius as a Fourier series of the bearing (Zahn and Roskies 1972), orders 2 to 7."""
    order = np.arange(2, 8)
    size = rng.normal(0, 0.28, 6) / order**0.9
    phase = rng.uniform(0, 2 * np.pi, 6)
    squash = rng.uniform(0.6, 1.0)

    def distance(u: Field, v: Field) -> Field:
        bearing = np.arctan2(v / squash, u)
        radius = 0.75 * np.ones_like(u)
        for n, a, p in zip(order, size, phase, strict=True):
            radius = radius + 0.75 * a * np.cos(n * bearing + p)
        return (np.hypot(u, v / squash) - np.maximum(radius, 0.2)) * squash

    return distance


def _cat(rng: np.random.Generator) -> Distance:
    stride = rng.uniform(-0.2, 0.2, 4)
    hips = (0.5, 0.38, -0.48, -0.6)
    legs = [
        limb(hip, 0.15, hip + step, 0.8, 0.14, 0.08) for hip, step in zip(hips, stride, strict=True)
    ]
    lift = rng.uniform(-0.7, 0.4)
    tail = np.array([[-0.65, -0.05], [-1.0, 0.3 * lift], [-1.25, lift]])
    head = (rng.uniform(0.75, 0.95), rng.uniform(-0.5, -0.15))
    return union(
        lobe(-0.05, 0, 0.75, 0.34),
        limb(0.5, -0.05, *head, 0.24, 0.2),
        lobe(*head, 0.27, 0.23),
        limb(head[0] - 0.1, head[1] - 0.15, head[0] - 0.16, head[1] - 0.34, 0.09, 0.03),
        limb(head[0] + 0.1, head[1] - 0.15, head[0] + 0.13, head[1] - 0.34, 0.09, 0.03),
        *chain(tail, np.array([0.12, 0.08, 0.06])),
        *legs,
    )


def _lizard(rng: np.random.Generator) -> Distance:
    bend = np.cumsum(rng.uniform(-0.35, 0.35, 6))
    step = 0.36 * np.stack([-np.cos(bend), np.sin(bend)], axis=1)
    spine = np.array([0.95, 0.0]) + np.concatenate([np.zeros((1, 2)), np.cumsum(step, axis=0)])
    limbs = []
    for at, reach in ((2, 0.4), (4, 0.45)):
        for side in (-1, 1):
            x, y = spine[at]
            knee = (x + rng.uniform(-0.15, 0.2), y + side * reach * 0.85)
            foot = (knee[0] + rng.uniform(-0.1, 0.3), knee[1] + side * rng.uniform(0.05, 0.25))
            limbs += [limb(x, y, *knee, 0.13, 0.09), limb(*knee, *foot, 0.09, 0.07)]
    radii = np.array([0.16, 0.2, 0.22, 0.26, 0.2, 0.12, 0.04])
    return union(*chain(spine, radii), *limbs)


def _moth(rng: np.random.Generator) -> Distance:
    spread, length = rng.uniform(0.5, 1.0), rng.uniform(0.6, 0.8)
    parts = [limb(0.4, 0, -0.55, 0, 0.13, 0.1), lobe(0.48, 0, 0.14, 0.13)]
    for side in (-1, 1):
        fore, hind = side * spread, side * (spread + 0.75)
        x, y = 0.75 * length * np.cos(fore + side * 0.7), 0.75 * length * np.sin(fore + side * 0.7)
        parts.append(lobe(0.15 + x, y, length * 0.75, 0.32, fore + side * 0.7))
        x, y = 0.5 * length * np.cos(hind + side * 0.5), 0.5 * length * np.sin(hind + side * 0.5)
        parts.append(lobe(-0.1 + x, y, length * 0.55, 0.3, hind + side * 0.5))
        parts.append(limb(0.55, side * 0.05, 0.95, side * 0.3, 0.035, 0.03))
    return union(*parts)


def _frog(rng: np.random.Generator) -> Distance:
    splay = rng.uniform(0.0, 0.25)
    parts = [lobe(-0.05, 0, 0.58, 0.4), lobe(0.45, 0, 0.32, 0.33)]
    for side in (-1, 1):
        knee = (0.05 + rng.uniform(-0.1, 0.1), side * (0.7 + splay))
        heel = (-0.65 - splay, side * (0.55 + rng.uniform(-0.1, 0.1)))
        hand = (0.6 + rng.uniform(-0.1, 0.2), side * (0.65 + rng.uniform(-0.1, 0.15)))
        parts += [
            limb(-0.45, side * 0.25, *knee, 0.2, 0.13),
            limb(*knee, *heel, 0.12, 0.08),
            limb(*heel, heel[0] + 0.1, heel[1] + side * 0.3, 0.09, 0.07),
            limb(0.25, side * 0.3, *hand, 0.12, 0.07),
            lobe(0.6, side * 0.2, 0.12, 0.11),
        ]
    return union(*parts)


KINDS = (
    OutlineKind("Fish", 1, "1-Aquatic", _fish),
    OutlineKind("Ray", 2, "1-Aquatic", _ray),
    OutlineKind("Blob", 3, "1-Aquatic", _blob),
    OutlineKind("Cat", 4, "2-Terrestrial", _cat),
    OutlineKind("Lizard", 5, "2-Terrestrial", _lizard),
    OutlineKind("Moth", 6, "3-Flying", _moth),
    OutlineKind("Frog", 7, "4-Amphibian", _frog),
)
