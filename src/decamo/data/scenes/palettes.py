"""Colours of natural grounds: ramps from shadow to light."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Palette", "draw_palette", "paint"]

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
