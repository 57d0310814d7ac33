import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools.coco import COCO
from scipy import ndimage

from decamo.cli import main
from decamo.data.converting import Target, convert_data
from decamo.data.layouts import find_pairs
from decamo.data.reading import read_labelled, read_pair
from decamo.data.scenes import write_scenes
from decamo.errors import DataError
from tests.data.inside.sets import assert_same, masks_of, near_corners, to_coco, to_zip


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scenes") / "Frogs"
    write_scenes(
        root, train=6, test=3, size=48, noncam_share=0.2, seed=5, on_progress=lambda *_: None
    )
    return root


@pytest.mark.parametrize("instances", [False, True])
@pytest.mark.parametrize("to", list(Target))
def test_every_format_keeps_every_pixel(
    scenes: Path, tmp_path: Path, to: Target, instances: bool
) -> None:
    out = tmp_path / "Frogs"
    done = convert_data(scenes, out, to, instances=instances)
    assert (done.images, done.left_out) == (9, ())
    assert_same(out, scenes)
    if to in (Target.YOLO, Target.LABELME):
        assert "have IoU 1.0000 with the masks on average, 1.0000 at worst" in done.notes[-1]


@pytest.mark.parametrize("to", [Target.YOLO, Target.LABELME])
def test_thinned_polygons_say_what_they_lose(scenes: Path, tmp_path: Path, to: Target) -> None:
    out = tmp_path / "Frogs"
    note = convert_data(scenes, out, to, tolerance=1.5).notes[-1]
    found = {p.stem: read_pair(p)[1] for p in find_pairs([out], "test").pairs}
    found |= {p.stem: read_pair(p)[1] for p in find_pairs([out], "train").pairs}
    truth = masks_of(scenes, "Train") | masks_of(scenes, "Test")
    ious = {
        stem: (mask & found[stem]).sum() / (mask | found[stem]).sum() if mask.any() else 1.0
        for stem, mask in truth.items()
    }
    worst = min(ious, key=lambda stem: ious[stem])
    assert 0.5 < ious[worst] < 1
    assert f"IoU {np.mean(list(ious.values())):.4f} with" in note
    assert f"{ious[worst]:.4f} at worst" in note


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pycocotools_reads_what_is_written(scenes: Path, tmp_path: Path) -> None:
    convert_data(scenes, tmp_path / "out", Target.COCO, instances=True)
    theirs = COCO(tmp_path / "out" / "annotations" / "instances_train.json")
    for image in theirs.loadImgs(theirs.getImgIds()):
        mask = masks_of(scenes, "Train")[Path(image["file_name"]).stem]
        parts = theirs.loadAnns(theirs.getAnnIds(imgIds=image["id"]))
        assert len(parts) == ndimage.label(mask, structure=np.ones((3, 3)))[1]
        union = np.zeros_like(mask)
        for part in parts:
            own = theirs.annToMask(part).astype(bool)
            rows, columns = np.nonzero(own)
            left, top, width, height = part["bbox"]
            assert (left, top) == (columns.min(), rows.min())
            assert (left + width - 1, top + height - 1) == (columns.max(), rows.max())
            assert part["area"] == own.sum()
            union |= own
        np.testing.assert_array_equal(union, mask)


def test_labelme_and_opencv_fill_the_pixels_of_the_mask(scenes: Path, tmp_path: Path) -> None:
    """LabelMe draws its shapes in their order with Pillow; OpenCV's readers cut to whole pixels."""
    convert_data(scenes, tmp_path / "labelme", Target.LABELME)
    convert_data(scenes, tmp_path / "yolo", Target.YOLO)
    truth = masks_of(scenes, "Train") | masks_of(scenes, "Test")
    jsons = sorted((tmp_path / "labelme").rglob("*.json"))
    labels = sorted((tmp_path / "yolo" / "labels").rglob("*.txt"))
    assert len(jsons) == len(labels) == 9
    for path in jsons:
        want = truth[path.stem]
        picture = Image.new("1", want.shape[::-1])
        for shape in json.loads(path.read_text())["shapes"]:
            fill = int(shape["label"] != "_background_")
            corners = [tuple(corner) for corner in shape["points"]]
            ImageDraw.Draw(picture).polygon(corners, outline=fill, fill=fill)
        assert not ((np.asarray(picture) != want) & ~near_corners(want)).any()
    for path in labels:
        want = truth[path.stem]
        picture = Image.new("1", want.shape[::-1])
        for line in path.read_text().splitlines():
            ends = np.array(line.split()[1:], float).reshape(-1, 2) * want.shape[::-1]
            cut = [(int(x), int(y)) for x, y in ends]
            ImageDraw.Draw(picture).polygon(cut, outline=1, fill=1)
        assert not ((np.asarray(picture) != want) & ~near_corners(want)).any()


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("to", list(Target))
def test_images_that_are_displayed_turned_keep_their_masks(
    tmp_path: Path, orientation: int, to: Target
) -> None:
    root = tmp_path / "set"
    (root / "Imgs").mkdir(parents=True)
    (root / "GT").mkdir()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (40, 20), "gray").save(root / "Imgs" / "a.jpg", exif=exif)
    mask = np.zeros((20, 40), dtype=np.uint8)
    mask[2:9, 3:20] = 255
    Image.fromarray(mask).save(root / "GT" / "a.png")
    convert_data(root, tmp_path / "out", to)
    (ours,), (theirs,) = (find_pairs([r], "train").pairs for r in (tmp_path / "out", root))
    np.testing.assert_array_equal(read_pair(ours)[1], read_pair(theirs)[1])


def voc(tmp_path: Path) -> Path:
    """Palettes with a border of void, as PASCAL VOC has them."""
    root = tmp_path / "VOC"
    (root / "JPEGImages").mkdir(parents=True)
    (root / "SegmentationClass").mkdir()
    for number in range(4):
        Image.new("RGB", (40, 30), (90, 10 * number, 0)).save(root / "JPEGImages" / f"{number}.jpg")
        labels = np.zeros((30, 40), dtype=np.uint8)
        labels[4:20, 5 + number : 30] = 255
        labels[6:18, 7 + number : 28] = 15
        picture = Image.fromarray(labels).convert("P")
        picture.putpalette([c for i in range(256) for c in (i, 255 - i if i else 0, 7 * bool(i))])
        picture.save(root / "SegmentationClass" / f"{number}.png")
    return root


def test_void_is_kept_by_folders_and_its_loss_said_by_others(tmp_path: Path) -> None:
    root = voc(tmp_path)
    convert_data(root, tmp_path / "folders", Target.FOLDERS)
    from decamo.data.census import take_census
    from decamo.data.deciding import apply_rules

    for place in (root, tmp_path / "folders"):
        entries = apply_rules(take_census(find_pairs([place], "train").pairs, workers=1))
        for number, entry in enumerate(entries.census.entries):
            _, labels = read_labelled(entry.pair)
            assert labels.object.sum() == 12 * (21 - number)
            assert labels.void is not None
            assert labels.void.sum() == 16 * (25 - number) - 12 * (21 - number)
    done = convert_data(root, tmp_path / "coco", Target.COCO)
    assert done.notes[-1] == "void of 4 masks became ground: coco has none"


def test_a_zip_of_annotations_becomes_folders(scenes: Path, tmp_path: Path) -> None:
    archive = to_zip(to_coco(scenes, tmp_path / "Frogs"), tmp_path / "Frogs.zip")
    convert_data(archive, tmp_path / "out" / "Frogs", Target.FOLDERS)
    assert_same(tmp_path / "out" / "Frogs", scenes)


def test_a_folder_that_is_not_empty_is_left_alone(scenes: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="is there and not empty; name a new folder"):
        convert_data(scenes, tmp_path, Target.COCO)


def test_the_command(scenes: Path, tmp_path: Path, capsys: Any) -> None:
    out, report = tmp_path / "out", tmp_path / "report.json"
    assert main(["data", "convert", str(scenes), str(out), "--to", "yolo", "--json",
                 str(report)]) == 0  # fmt: skip
    assert capsys.readouterr().out.startswith(f"9 images in {out}\n")
    assert json.loads(report.read_text())["images"] == 9
    assert "train: images/train\nval: images/test\n" in (out / "data.yaml").read_text()
