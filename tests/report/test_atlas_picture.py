from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.errors import StorageError
from decamo.report.error_pictures import AtlasCase, draw_atlas, pick_cases
from tests.report.scores import made


def test_worst_and_median_are_picked_none_twice() -> None:
    base = made("M", "SET").results[0]
    results = [
        replace(base, stem=f"{n:02}", measures=replace(base.measures, iou=n / 20))
        for n in (*range(10, 21), *range(10))
    ]
    picked = pick_cases(results, 4)
    assert [r.stem for kind, r in picked if kind == "worst"] == ["00", "01", "02", "03"]
    assert [r.stem for kind, r in picked if kind == "median"] == ["08", "09", "10", "11"]
    for few in range(9):
        stems = [r.stem for _, r in pick_cases(results[:few], 4)]
        assert len(stems) == len(set(stems)) == few


@pytest.mark.parametrize("known", [True, False])
def test_wrong_pixels_are_drawn_in_the_colour_of_their_kind(tmp_path: Path, known: bool) -> None:
    result = made("M", "SET").results[0]
    mask = np.zeros((100, 100), np.bool_)
    mask[10:60, 10:60] = True
    grey = np.zeros((100, 100), np.uint8)
    grey[70:95, 70:95] = 255
    image = np.full((100, 100, 3), 90, np.uint8) if known else None
    draw_atlas(tmp_path / "a.png", "title", [AtlasCase("worst", result, grey, mask, image, 1)])
    colours = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).reshape(-1, 3)
    for colour in ((0, 114, 178), (213, 94, 0), (0, 220, 255)):  # missed, false, true outline
        assert (colours == colour).all(axis=1).sum() > 100


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(StorageError):
        draw_atlas(tmp_path / "a file" / "a.png", "title", [])
