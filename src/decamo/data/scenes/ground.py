"""The ground of a scene: one texture, its light, and the distractors that mean nothing."""

from dataclasses import dataclass

import numpy as np

from decamo.data.scenes.palettes import Palette, draw_palette
from decamo.data.scenes.textures import Field, Texture, draw_texture, kin_of, relief, slow_noise

__all__ = ["Ground", "draw_ground"]

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
