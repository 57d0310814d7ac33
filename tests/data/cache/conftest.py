"""Photographs with soft and with fine structure, and masks, larger than what is trained at."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.data.pairs import Pair


def write_pair(folder: Path, number: int, height: int, width: int) -> Pair:
    """A JPEG with noise over a soft ground, and an ellipse as PNG."""
    rng = np.random.default_rng(number)
    soft = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    ground = np.asarray(soft.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    fine = np.clip(ground + rng.integers(-12, 13, ground.shape), 0, 255).astype(np.uint8)
    ys, xs = np.mgrid[:height, :width]
    inside = ((ys - 0.5 * height) / (0.25 * height)) ** 2 + ((xs - 0.4 * width) / 30) ** 2 < 1
    image, mask = folder / f"{number}.jpg", folder / f"{number}.png"
    Image.fromarray(fine).save(image, quality=95)
    Image.fromarray(inside.astype(np.uint8) * 255).save(mask)
    return Pair(image, mask, str(number), "set", "train")


@pytest.fixture
def pairs(tmp_path: Path) -> tuple[Pair, ...]:
    """Five pairs of different sizes, one of them so large that its JPEG is decoded at half."""
    sizes = ((90, 140), (120, 100), (200, 260), (70, 75), (110, 160))
    folder = tmp_path / "pictures"
    folder.mkdir()
    return tuple(write_pair(folder, n, *size) for n, size in enumerate(sizes))
