"""Large images in strips: the same as in one piece, to the bit where nothing is summed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.inference import overlay, strips, write_probability
from decamo.inference.figures import figures_of
from decamo.metrics import THRESHOLD


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (50, 4), (3, 900)])
def test_strips_are_all_rows_once(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "_PIXELS", 20)
    rows = [row for part in strips.row_strips(size) for row in range(*part.indices(size[0]))]
    assert rows == list(range(size[0]))


def test_what_is_written_in_strips_is_what_is_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    probability = rng.random((41, 29), dtype=np.float32)
    image = rng.integers(0, 256, (41, 29, 3), dtype=np.uint8)
    monkeypatch.setattr(strips, "_PIXELS", 100)
    write_probability(tmp_path / "p.png", probability)
    with Image.open(tmp_path / "p.png") as picture:
        assert np.array_equal(np.asarray(picture), np.rint(probability * 255).astype(np.uint8))
    strength = 0.5 * probability[..., None] * (probability[..., None] >= THRESHOLD)
    orange = np.array([255, 64, 0], np.float32)
    whole = np.rint(image * (1 - strength) + orange * strength).astype(np.uint8)
    assert np.array_equal(overlay(image, probability), whole)
    likely = probability[probability >= THRESHOLD].astype(np.float64)
    found = figures_of(probability)
    assert found.confidence == pytest.approx(likely.mean(), rel=1e-12)
    union = likely.size + probability.astype(np.float64).sum() - likely.sum()
    assert found.expected_iou == pytest.approx(likely.sum() / union, rel=1e-12)
    assert found.area == likely.size
