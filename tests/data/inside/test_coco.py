import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

from decamo.data.inside.mask_bytes import counts_from_text, decode_counts, fill_polygons
from decamo.data.layouts import find_pairs
from decamo.data.reading import read_pair
from decamo.errors import DataError, UnreadableImage
from tests.data.inside.sets import assert_same, compressed, to_coco, to_zip, uncompressed

HERE = Path("x.json/x.pgm")
# the machine may be busy with other things
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("segment", [compressed, uncompressed])
def test_run_lengths_give_the_masks_of_the_folders(
    scenes: Path, tmp_path: Path, segment: Callable[[Any], Any]
) -> None:
    root = to_coco(scenes, tmp_path / "Frogs", segment)
    assert_same(root, scenes)
    assert find_pairs([root], "train").sources == (
        "Frogs: 10 pairs in train2017 + annotations/instances_train2017.json",
    )


def test_a_json_can_be_named(scenes: Path, tmp_path: Path) -> None:
    root = to_coco(scenes, tmp_path / "Frogs")
    pairs = find_pairs([root / "annotations" / "instances_test2017.json"], "test").pairs
    assert len(pairs) == 5
    assert {p.dataset for p in pairs} == {"Frogs"}


def test_coco_in_a_zip(scenes: Path, tmp_path: Path) -> None:
    root = to_coco(scenes, tmp_path / "Frogs")
    assert_same(to_zip(root, tmp_path / "packed.zip"), scenes)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_polygons_are_filled_as_pycocotools_fills_them(scenes: Path, tmp_path: Path) -> None:
    def triangle(mask: Any) -> Any:
        rows, columns = np.nonzero(mask)
        corners = [columns.min(), rows.min(), columns.max() + 1.0, rows.min() + 0.5]
        return [[float(c) for c in (*corners, columns.min(), rows.max() + 1)]]

    root = to_coco(scenes, tmp_path / "Frogs", triangle)
    truth = COCO(root / "annotations" / "instances_train2017.json")
    names = {image["file_name"]: number for number, image in truth.imgs.items()}
    for pair in find_pairs([root], "train").pairs:
        parts = truth.imgToAnns[names[pair.image.name]]
        want = np.zeros((48, 48), dtype=bool)
        for part in parts:
            want |= truth.annToMask(part).astype(bool)
        np.testing.assert_array_equal(read_pair(pair)[1], want)


SHAPES = st.tuples(st.integers(1, 20), st.integers(1, 20))


@CALM
@given(arrays(bool, SHAPES))
def test_run_lengths_of_any_mask_are_read_as_pycocotools_writes_them(mask: Any) -> None:
    text = compressed(mask)["counts"]
    np.testing.assert_array_equal(
        decode_counts(counts_from_text(text, HERE), mask.shape, HERE), mask
    )


@CALM
@given(st.lists(st.integers(0, 3000), min_size=1, max_size=12))
def test_long_runs_are_read_as_pycocotools_writes_them(counts: list[int]) -> None:
    width = sum(counts) or 1
    runs = coco_masks.frPyObjects({"size": [1, width], "counts": [*counts]}, 1, width)
    assert counts_from_text(runs["counts"], HERE) == counts


@CALM
@given(st.text(max_size=30))
def test_no_text_does_worse_than_be_refused(text: str) -> None:
    try:
        counts = counts_from_text(text, HERE)
        decode_counts(counts, (7, 5), HERE)
    except UnreadableImage as error:
        assert error.what == str(HERE)  # noqa: PT017 -- whichever of the two it is


@pytest.mark.parametrize(
    ("polygon", "why"),
    [
        ([0, 0, 3, 3], "polygon of 4 numbers"),
        ([0, 0, 3, 3, 1], "polygon of 5 numbers"),
        ([0, 0, 3, float("nan"), 1, 2], "not x and y"),
        ([0, 0, 3, 1e9, 1, 2], "far outside of 8 x 9 px"),
    ],
)
def test_polygons_that_make_no_sense(polygon: list[float], why: str) -> None:
    with pytest.raises(UnreadableImage, match=why):
        fill_polygons([polygon], (8, 9), HERE)


def changed(scenes: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    root = to_coco(scenes, tmp_path / "Frogs")
    path = root / "annotations" / "instances_train2017.json"
    held = json.loads(path.read_text())
    change(held)
    path.write_text(json.dumps(held))
    return path


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda h: h["images"][1].update(id=h["images"][0]["id"]), "two images have the id 100"),
        (lambda h: h["annotations"][1].update(id=1), "two annotations have the id 1"),
        (lambda h: h["annotations"][0].update(image_id=7), "belongs to image 7, which is not"),
        (lambda h: h["annotations"][0].update(segmentation=[]), "has no segmentation"),
        (lambda h: h["annotations"][0].update(segments_info=[]), "panoptic"),
        (lambda h: h["images"][0].update(file_name="../a.jpg"), "leads out of its folder"),
        (lambda h: h["images"][0].update(file_name="/etc/a.jpg"), "leads out of its folder"),
        (lambda h: h["images"][0].pop("file_name"), "has no file_name"),
        (lambda h: h["images"][0].update(file_name=h["images"][1]["file_name"]), "two images"),
        (lambda h: h.pop("images"), "lacks the lists images and annotations"),
        (lambda h: h.update(images=[]), "not listed"),
        (lambda h: [i.update(file_name="gone" + i["file_name"]) for i in h["images"]],
         "none of its images is near it"),
    ],
)  # fmt: skip
def test_annotations_that_contradict_themselves_are_named(
    scenes: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], why: str
) -> None:
    path = changed(scenes, tmp_path, change)
    with pytest.raises(DataError, match=rf"instances_train2017\.json: .*{why}"):
        find_pairs([path], "train")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda h: h["images"][0].update(height=10), "run lengths of 48 x 48 px in an image of 10"),
        (lambda h: h["images"][0].update(height=10**6, width=10**6), "over 300000000 in all"),
        (lambda h: h["images"][0].pop("width"), "says 48 x None px"),
        (lambda h: h["annotations"][0]["segmentation"].update(counts="00"), "add up to 0 px"),
        (lambda h: h["annotations"][0]["segmentation"].update(counts=[9, 9]), "add up to 18 px"),
        (lambda h: h["annotations"][0]["segmentation"].update(counts="\u00ff"), "cannot be read"),
        (lambda h: h["annotations"][0].update(segmentation=7), "neither polygons nor run lengths"),
    ],
)
def test_an_image_whose_annotation_is_wrong_is_named(
    scenes: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], why: str
) -> None:
    path = changed(scenes, tmp_path, change)
    pair = find_pairs([path], "train").pairs[0]
    with pytest.raises(UnreadableImage, match=why) as caught:
        read_pair(pair)
    assert pair.mask.name in str(caught.value)


def test_a_missing_image_leaves_its_mask_alone(scenes: Path, tmp_path: Path) -> None:
    root = to_coco(scenes, tmp_path / "Frogs")
    gone = min((root / "train2017").iterdir())
    gone.unlink()
    found = find_pairs([root], "train")
    assert len(found.pairs) == 9
    assert [path.name for path in found.orphans] == [f"{gone.stem}.pgm"]


def test_polygons_without_pycocotools_are_one_line(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = to_coco(scenes, tmp_path / "Frogs", lambda _: [[0.0, 0.0, 9.0, 0.0, 9.0, 9.0]])
    monkeypatch.setattr("decamo.data.inside.mask_bytes.find_spec", lambda _: None)
    with pytest.raises(DataError, match=r"polygons need pycocotools; pip install 'decamo\[anno"):
        find_pairs([root], "train")
