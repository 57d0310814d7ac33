"""The README's pictures can be drawn anew from what a demo leaves."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).parents[1] / "scripts/pictures.py"


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pictures", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """Eight scenes, each found one column less well than the one before; a run that was raced."""
    images, masks, maps = (
        tmp_path / name for name in ("scenes/Test/Image", "scenes/Test/GT_Object", "predictions")
    )
    for folder in (images, masks, maps, tmp_path / "run/escape"):
        folder.mkdir(parents=True)
    for i in range(8):
        mask = np.zeros((16, 16), np.uint8)
        mask[:, :8] = 255
        found = np.zeros((16, 16), np.uint8)
        found[:, i:8] = 255
        Image.fromarray(np.full((16, 16, 3), 90, np.uint8)).save(images / f"{i}.jpg")
        Image.fromarray(mask).save(masks / f"{i}.png")
        Image.fromarray(found).save(maps / f"{i}.png")
    Image.new("RGB", (16, 16)).save(images / "none.jpg")
    Image.new("L", (16, 16)).save(masks / "none.png")
    lines = [f"Epoch {e}: Loss: 1.0 | IoU: {0.3 + e / 100} | LR: 0.001000" for e in range(1, 9)]
    (tmp_path / "run/train.log").write_text("\n".join(lines))
    race = tmp_path / "run/escape"
    (race / "race.json").write_text(
        json.dumps({"set of branches": [{"name": "control"}, {"name": "advice"}]})
    )
    for name in ("control", "advice"):
        rungs = {str(i): {"epoch": 4 + i, "iou": 0.34 + i / 50} for i in range(3)}
        (race / f"{name}.json").write_text(json.dumps({"rungs": rungs}))
    return tmp_path


def test_scenes_are_scored_and_those_without_an_object_left_out(
    pictures: ModuleType, demo: Path
) -> None:
    assert [found[0] for found in pictures.scenes(demo)] == [(8 - i) / 8 for i in range(8)]


def test_the_strip_has_a_column_a_scene_from_well_to_badly_found(
    pictures: ModuleType, demo: Path
) -> None:
    sheet = pictures.strip(demo)
    step = pictures.SIDE + pictures.MARGIN
    assert sheet.width == pictures.HEAD + len(pictures.RANKS) * step
    columns = [pictures.HEAD + i * step for i in range(len(pictures.RANKS))]
    tiles = [
        np.asarray(sheet.crop((x, 2 * step, x + pictures.SIDE, 2 * step + 8))) for x in columns
    ]
    orange = [int((tile[..., 0] > tile[..., 2] + 40).sum()) for tile in tiles]
    assert orange == sorted(orange, reverse=True)
    assert orange[0] > orange[-1] > 0


def test_the_curve_shows_the_run_the_race_and_the_way_out(pictures: ModuleType, demo: Path) -> None:
    drawn = pictures.way_out(demo / "run")
    assert drawn == pictures.way_out(demo / "run")
    for text in ("a plateau", "a race", "the way out", "race: as diagnosed", "validation IoU"):
        assert text in drawn.decode()
