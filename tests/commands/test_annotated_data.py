"""Sets whose masks are no files, by the commands; annotations of predictions."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

import decamo
from decamo.cli import main
from decamo.data.converting import Target, convert_data
from decamo.data.layouts import find_pairs
from decamo.data.reading import read_mask
from decamo.inference.expected import expected_iou
from decamo.settings import DataSettings
from decamo.training.data_splits import find_splits
from tests.data.inside.sets import to_zip


def test_scores_and_the_hold_out_are_those_of_the_folders(
    trained: Path, scenes: Path, tmp_path: Path
) -> None:
    places = {"folders": scenes, "zip": to_zip(scenes, tmp_path / "any.zip")}
    for to in (Target.COCO, Target.YOLO, Target.LABELME):
        places[to] = tmp_path / to / scenes.name
        convert_data(scenes, places[to], to)
    scores, splits = {}, {}
    for name, place in places.items():
        scored = decamo.evaluate(trained, place, device="cpu", resamples=0)
        scores[name] = repr(scored.scores[0].whole.scores)
        settings = DataSettings(dataset_path=(place,), val_fraction=0.3)
        found = find_splits(settings, tmp_path / f"{name}.json", lambda *_: None)
        splits[name] = [[pair.key for pair in side] for side in (found.train, found.val)]
    assert len(set(scores.values())) == 1, scores
    assert all(split == splits["folders"] for split in splits.values())


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_predictions_are_annotated_and_ranked(
    trained: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = sorted((scenes / "Test" / "Image").iterdir())[:3]
    words = ["predict", str(trained), *map(str, photos)]
    for to in ("coco", "yolo", "labelme"):
        out = tmp_path / to
        more = ["--out", str(out), "--write", to, "--json", str(tmp_path / f"{to}.json")]
        assert main([*words, *more]) == 0
        said = capsys.readouterr().out
        assert ("COCO run lengths keep every pixel" if to == "coco" else "have IoU ") in said
        assert main([*words, *more]) == 2
        assert "is there, and may have been corrected by hand" in capsys.readouterr().err
        results = json.loads((tmp_path / f"{to}.json").read_text())["results"]
        ranked = sorted(results, key=lambda r: (r["expected_iou"], r["image"]))
        lines = (out / "worst_first.txt").read_text().splitlines()
        assert [line.partition("\t")[2] for line in lines] == [r["image"] for r in ranked]
        maps = {p.stem: np.asarray(Image.open(p)) > 127 for p in out.glob("*.png")}
    theirs = COCO(tmp_path / "coco" / "annotations.json")
    images = theirs.loadImgs(theirs.getImgIds())
    assert [image["expected_iou"] for image in images] == sorted(i["expected_iou"] for i in images)
    for image in images:
        union = np.zeros((image["height"], image["width"]), dtype=bool)
        for part in theirs.loadAnns(theirs.getAnnIds(imgIds=image["id"])):
            union |= theirs.annToMask(part).astype(bool)
        np.testing.assert_array_equal(union, maps[Path(image["file_name"]).stem])
    for photo in photos:  # LabelMe's jsons find their images from where they lie
        held = json.loads((tmp_path / "labelme" / f"{photo.stem}.json").read_text())
        assert (tmp_path / "labelme" / held["imagePath"]).resolve() == photo.resolve()


def test_corrected_jsons_beside_the_images_are_read_back(
    trained: Path, scenes: Path, tmp_path: Path
) -> None:
    root = tmp_path / "Mine"
    root.mkdir()
    for photo in sorted((scenes / "Test" / "Image").iterdir())[:3]:
        (root / photo.name).write_bytes(photo.read_bytes())
    out = tmp_path / "out"
    assert main(["predict", str(trained), str(root), "--out", str(out), "--write", "labelme"]) == 0
    for path in out.rglob("*.json"):
        path.rename(root / path.name)
    for pair in find_pairs([root], "test").pairs:
        map_ = np.asarray(Image.open(next(out.rglob(f"{pair.stem}.png")))) > 127
        mask = read_mask(pair.mask)
        union = (mask | map_).sum()
        assert not union or (mask & map_).sum() / union > 0.8


def test_the_expected_iou_is_a_quotient_of_expectations() -> None:
    p = np.array([[0.9, 0.6, 0.2, 0.0]], dtype=np.float32)
    assert expected_iou(p) == pytest.approx(1.5 / (2 + 1.7 - 1.5))
    assert expected_iou(np.zeros((3, 3), dtype=np.float32)) == 1
    assert expected_iou(np.full((3, 3), 0.1, dtype=np.float32)) == 0
    assert expected_iou(np.ones((3, 3), dtype=np.float32)) == 1


def test_instances_without_a_format_are_a_mistake(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(trained), str(tmp_path), "--out", str(tmp_path / "out"), "--instances"]
    (tmp_path / "a.jpg").write_bytes(b"")
    assert main(words) == 2
    assert "--instances: there is no --write; say what to write" in capsys.readouterr().err
