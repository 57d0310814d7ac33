"""The ground of a scene and what is painted on it: colours, layers, parts of animals."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from decamo.data.scenes.textures import Field, Texture, draw_texture, kin_of, relief, slow_noise

__all__ = [
    "Distance",
    "Ground",
    "Palette",
    "chain",
    "draw_ground",
    "draw_palette",
    "limb",
    "lobe",
    "paint",
    "union",
]

# Shadow, dark, middle, light, highlight; sRGB 0-255, picked by eye from photographs of habitats.
_RAMPS = {
    "moss": ((22, 26, 14), (52, 62, 28), (92, 104, 48), (140, 148, 80), (196, 200, 140)),
    "leaf": ((16, 30, 16), (38, 66, 30), (72, 108, 46), (122, 152, 74), (186, 204, 130)),
    "bark": ((28, 22, 18), (62, 50, 40), (102, 86, 70), (148, 130, 110), (200, 186, 166)),
    "litter": ((34, 20, 12), (78, 50, 28), (128, 88, 50), (176, 136, 88), (218, 192, 146)),
    "sand": ((70, 56, 40), (118, 98, 72), (164, 140, 106), (200, 180, 146), (232, 218, 192)),
    "rock": ((30, 31, 32), (66, 68, 68), (108, 110, 108), (154, 155, 150), (206, 206, 200)),
    "sea": ((10, 28, 38), (26, 60, 72), (58, 100, 106), (106, 146, 142), (176, 202, 190)),
    "coral": ((46, 26, 30), (92, 58, 56), (142, 100, 86), (186, 148, 124), (226, 202, 178)),
    "lichen": ((36, 38, 34), (74, 80, 68), (116, 124, 106), (162, 168, 146), (210, 214, 194)),
    "straw": ((44, 36, 16), (94, 80, 40), (146, 126, 68), (192, 174, 110), (226, 214, 164)),
}


@dataclass(frozen=True)
class Palette:
    """Two related ramps, between which a scene's hue wanders slowly.

    Attributes:
        first: float64 ``[5, 3]`` RGB in [0, 255], from shadow to highlight.
        second: as ``first``.
    """

    first: NDArray[np.float64]
    second: NDArray[np.float64]


def draw_palette(rng: np.random.Generator) -> Palette:
    """Two ramps with the tint of each jittered, drawn from ``rng``."""
    chosen = rng.choice(len(_RAMPS), size=2, replace=False)
    ramps = [np.array(tuple(_RAMPS.values())[int(i)], dtype=np.float64) for i in chosen]
    first, second = (ramp * rng.normal(1, 0.05, 3) for ramp in ramps)
    # The second is only leant towards: two habitats at full strength look like a collage.
    return Palette(first, 0.5 * first + 0.5 * second)


def paint(
    tone: NDArray[np.float64], hue: NDArray[np.float64], palette: Palette
) -> NDArray[np.float64]:
    """Colour a picture of tones.

    Args:
        tone: ``[H, W]``, 0 (shadow) to 1 (highlight); clipped.
        hue: ``[H, W]``, 0 (first ramp) to 1 (second ramp).
        palette: the ramps.

    Returns:
        float64 ``[H, W, 3]`` RGB, nominally in [0, 255].
    """
    stops = np.linspace(0, 1, len(palette.first))
    channels = [
        (1 - hue) * np.interp(tone, stops, palette.first[:, c])
        + hue * np.interp(tone, stops, palette.second[:, c])
        for c in range(3)
    ]
    return np.stack(channels, axis=-1)


_SEAM_SHARE = 0.3  # of the scenes: two grounds of one family meet along a line across the picture
_PATCH_STEPS = (0.08, 0.2)  # brightness of a patch against its ground, shares of the tone range


@dataclass(frozen=True)
class Ground:
    """A scene before any animal sits in it.

    Attributes:
        texture: the surface that an animal would mimic.
        tone: float64 ``[H, W]``, 0 (shadow) to 1 (highlight), distractors included.
        gain: contrast that turned the texture's relief into tone.
        hue: float64 ``[H, W]``, place between the palette's two ramps, in [0, 1].
        light: float64 ``[H, W]``, factor of a gentle illumination gradient, about 0.85 to 1.15.
        palette: colours.
    """

    texture: Texture
    tone: Field
    gain: float
    hue: Field
    light: Field
    palette: Palette


def draw_ground(rng: np.random.Generator, size: int) -> Ground:
    """Draw a ground of ``size`` x ``size`` px with two to four brightness patches.

    Patches keep the texture running through them, seams keep the family and the colours: neither
    is a closed region of another grain, which only an animal is.
    """
    texture, palette = draw_texture(rng), draw_palette(rng)
    gain = float(rng.uniform(0.15, 0.21))
    surface = relief(texture, rng, size)
    if rng.random() < _SEAM_SHARE:
        other = relief(kin_of(texture, rng, (0.9, 1.25)), rng, size)
        side = _soft_step(_wavy_line(rng, size), 0.012)
        surface = surface * (1 - side) + other * side
    tone = float(rng.uniform(0.4, 0.58)) + gain * surface + _patches(rng, size)
    hue = np.clip(0.5 + 0.3 * slow_noise(rng, size, 0.35), 0, 1)
    return Ground(texture, np.clip(tone, 0, 1), gain, hue, _light(rng, size), palette)


def _patches(rng: np.random.Generator, size: int) -> Field:
    """Brightness offsets: dapples with a soft or a crisp rim, lighter or darker."""
    total = np.zeros((size, size))
    for _ in range(int(rng.integers(2, 5))):
        step = float(rng.uniform(*_PATCH_STEPS)) * (1 if rng.random() < 0.5 else -1)
        y, x = (np.mgrid[0:size, 0:size] + 0.5) / size - rng.uniform(0, 1, 2)[:, None, None]
        reach = float(rng.uniform(0.12, 0.3)) * (1 + 0.25 * slow_noise(rng, size, 0.25))
        total += step * _soft_step(reach - np.hypot(x, y), float(rng.uniform(0.008, 0.04)))
    return total


def _wavy_line(rng: np.random.Generator, size: int) -> Field:
    """Signed distance to a line through the middle region, bent by slow noise."""
    angle, offset = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(-0.25, 0.25))
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    bend = 0.04 * slow_noise(rng, size, 0.3)
    return np.cos(angle) * x + np.sin(angle) * y - offset + bend


def _light(rng: np.random.Generator, size: int) -> Field:
    """Illumination gradient in a random direction."""
    angle, strength = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0.05, 0.2))
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    return 1 + strength * (np.cos(angle) * x + np.sin(angle) * y)


def _soft_step(distance: Field, width: float) -> Field:
    """0 far below zero, 1 far above, over about ``width`` on either side."""
    return 0.5 + 0.5 * np.tanh(distance / width)


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
