from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.data.census import take_census
from decamo.data.layouts import find_pairs
from decamo.data.reading import read_pair
from decamo.errors import UnreadableImage
from tests.data.inside.sets import assert_same, to_yolo, to_zip


def test_labels_give_the_masks_that_pycocotools_fills(scenes: Path, tmp_path: Path) -> None:
    root = tmp_path / "Frogs"
    want = to_yolo(scenes, root)
    found = find_pairs([root], "train")
    assert found.sources == ("Frogs: 10 pairs in images/train + labels/train",)
    pairs = (*found.pairs, *find_pairs([root], "test").pairs)
    assert {p.key for p in pairs} == {f"Frogs/{stem}" for stem in want}
    for pair in pairs:
        np.testing.assert_array_equal(read_pair(pair)[1], want[pair.stem])
    assert_same(to_zip(root, tmp_path / "packed.zip"), root)


def test_images_beside_their_labels(scenes: Path, tmp_path: Path) -> None:
    root = tmp_path / "Frogs"
    want = to_yolo(scenes, root)
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in [*root.glob("*/train/*.*")]:
        path.rename(flat / path.name)
    (flat / "classes.txt").write_text("frog\n")
    pairs = find_pairs([flat], "train").pairs
    assert len(pairs) == 10
    for pair in pairs:
        np.testing.assert_array_equal(read_pair(pair)[1], want[pair.stem])


def test_labels_that_change_are_looked_at_again(scenes: Path, tmp_path: Path) -> None:
    root = tmp_path / "Frogs"
    to_yolo(scenes, root)
    pairs = find_pairs([root], "train").pairs
    before = take_census(pairs, workers=1)
    empty = next(e.pair for e in before.entries if e.foreground == 0)
    labels = root / "labels" / "train" / f"{empty.stem}.txt"
    labels.write_text("0 0 0 1 0 1 1 0 1\n")
    after = take_census(pairs, workers=1, seen=before.cache)
    assert next(e for e in after.entries if e.pair == empty).foreground == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_labels_are_drawn_on_the_image_as_displayed(tmp_path: Path, orientation: int) -> None:
    root = tmp_path / "set"
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (40, 20), "gray").save(root / "images" / "a.jpg", exif=exif)
    (root / "labels" / "a.txt").write_text("0 0 0 0.5 0 0.5 0.25 0 0.25\n")
    (pair,) = find_pairs([root], "train").pairs
    image, mask = read_pair(pair)
    height, width = image.shape[:2]
    want = np.zeros((height, width), dtype=bool)
    want[: height // 4, : width // 2] = True
    np.testing.assert_array_equal(mask, want)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0 0.5 0.5 0.2 0.2", "line 1 is a box, not a polygon"),
        ("0 0.1 0.1 0.2 0.2 0.3", "polygon of 5 numbers"),
        ("0 0.1 0.1 0.2 0.2 x 0.3", "line 1 holds more than numbers"),
        ("0 0.1 0.1 0.2 0.2 40 0.3", r"line 1 has corners outside of \[0, 1\]"),
        ("0 0.1 0.1 nan 0.2 0.4 0.3", r"line 1 has corners outside of \[0, 1\]"),
    ],
)
def test_a_line_that_is_no_polygon_is_named(
    scenes: Path, tmp_path: Path, line: str, why: str
) -> None:
    root = tmp_path / "Frogs"
    to_yolo(scenes, root)
    pair = next(p for p in find_pairs([root], "train").pairs if "NonCAM" not in p.stem)
    (root / "labels" / "train" / f"{pair.stem}.txt").write_text(line)
    with pytest.raises(UnreadableImage, match=why):
        read_pair(pair)
