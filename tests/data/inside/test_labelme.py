import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from decamo.data.layouts import find_pairs
from decamo.data.reading import read_pair
from decamo.errors import DataError, UnreadableImage
from tests.data.inside.sets import assert_same, to_labelme, to_zip


@pytest.mark.parametrize("embedded", [False, True])
def test_polygons_give_the_masks_that_pycocotools_fills(
    scenes: Path, tmp_path: Path, embedded: bool
) -> None:
    root = tmp_path / "Frogs"
    want = to_labelme(scenes, root, embedded=embedded)
    pairs = find_pairs([root], "train").pairs
    assert {p.key for p in pairs} == {f"Frogs/{stem}" for stem in want}
    for pair in pairs:
        image, mask = read_pair(pair)
        np.testing.assert_array_equal(mask, want[pair.stem])
        truth = scenes / "Train" / "Image" / f"{pair.stem}.jpg"
        np.testing.assert_array_equal(image, np.asarray(Image.open(truth)))
    assert_same(to_zip(root, tmp_path / "packed.zip"), root)


def one(tmp_path: Path, *shapes: dict[str, Any], **more: Any) -> Path:
    root = tmp_path / "set"
    root.mkdir()
    Image.new("RGB", (30, 20), "gray").save(root / "a.jpg")
    held = {
        "version": "5.5.0", "shapes": shapes, "imagePath": "a.jpg", "imageData": None,
        "imageHeight": 20, "imageWidth": 30,
    }  # fmt: skip
    (root / "a.json").write_text(json.dumps(held | more))
    return root


def mask_of(root: Path) -> Any:
    (pair,) = find_pairs([root], "train").pairs
    return read_pair(pair)[1]


def shape(kind: str, *points: tuple[float, float], label: str = "frog", **more: Any) -> Any:
    return {"label": label, "shape_type": kind, "points": [list(p) for p in points], **more}


def test_rectangles_and_circles_are_drawn_as_labelme_draws_them(tmp_path: Path) -> None:
    box, circle_ = shape("rectangle", (5, 6), (2, 3)), shape("circle", (20, 10), (24, 10))
    ground = shape("rectangle", (4, 4), (4, 4), label="_background_")
    found = mask_of(one(tmp_path, box, circle_, ground))
    rows, columns = np.mgrid[:20, :30]
    want = (columns >= 2) & (columns <= 5) & (rows >= 3) & (rows <= 6)
    want[4, 4] = False
    circle = (rows - 10) ** 2 + (columns - 20) ** 2
    left = found[:, :12]
    np.testing.assert_array_equal(left, want[:, :12])
    assert found[circle <= 9].all()  # Pillow's outline lies within half a px of the radius
    assert not found[:, 12:][circle[:, 12:] > 25].any()


def test_a_small_mask_lies_in_its_box(tmp_path: Path) -> None:
    bits = np.zeros((4, 3), dtype=np.uint8)
    bits[1:, :2] = 255
    out = io.BytesIO()
    Image.fromarray(bits).save(out, "PNG")
    text = base64.b64encode(out.getvalue()).decode()
    found = mask_of(one(tmp_path, shape("mask", (7, 5), (9, 8), mask=text)))
    want = np.zeros((20, 30), dtype=bool)
    want[5:9, 7:10] = bits > 0
    np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (shape("line", (1, 1), (3, 3)), "a shape is a line, not one of polygon"),
        (shape("polygon", (1, 1), (3, 3)), "polygon of 4 numbers"),
        (shape("rectangle", (1, 1)), "a rectangle of 1 points, not 2"),
        (shape("rectangle", (1, 1), (3, 1e9)), "no pairs of numbers"),
        (shape("mask", (1, 1), (3, 3), mask="AAAA"), "mask cannot be decoded"),
        (shape("rectangle", (1, 1), (3, 3), label="__ignore__"), "make palettes by labelme2voc"),
    ],
)
def test_shapes_without_an_area_are_named(tmp_path: Path, bad: Any, why: str) -> None:
    with pytest.raises(UnreadableImage, match=why):
        mask_of(one(tmp_path, bad))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"version": "17.0"}, "version 17.0, known are those up to 6"),
        ({"version": None}, "version None, known"),
        ({"imagePath": "gone.jpg"}, "its image 'gone.jpg' is not there"),
        ({"imagePath": "../../../gone.jpg"}, "leads out of the data set"),
    ],
)
def test_a_json_that_cannot_be_meant_is_named(
    tmp_path: Path, more: dict[str, Any], why: str
) -> None:
    with pytest.raises(DataError, match=rf"a\.json: .*{why}"):
        find_pairs([one(tmp_path, **more)], "train")


def test_two_jsons_of_one_image_are_refused(tmp_path: Path) -> None:
    root = one(tmp_path)
    (root / "b.json").write_text((root / "a.json").read_text())
    with pytest.raises(DataError, match=r"a\.json both are of a\.jpg"):
        find_pairs([root], "train")


def test_jsons_in_a_folder_beside_that_of_the_images(tmp_path: Path) -> None:
    root = one(tmp_path, shape("rectangle", (2, 3), (5, 6)), imagePath="..\\pictures\\a.jpg")
    (root / "pictures").mkdir()
    (root / "a.jpg").rename(root / "pictures" / "a.jpg")
    (root / "json").mkdir()
    (root / "a.json").rename(root / "json" / "a.json")
    assert mask_of(root).sum() == 16
