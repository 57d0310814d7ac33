"""Zips, tables and annotations that lack what is asked of them, or contradict themselves."""

import base64
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from decamo.data.inside import located, tables, zipped
from decamo.data.inside.coco import open_coco
from decamo.data.inside.inner_path import same_content
from decamo.data.inside.labelme import open_labelme, read_labelme, seems_labelme
from decamo.data.inside.mask_bytes import EXTENSION
from decamo.data.inside.tables import open_shard, read_cell
from decamo.data.inside.yolo import image_of_labels, read_yolo, seems_yolo
from decamo.data.inside.zipped import bytes_at, entries_at, open_archive, stat_at
from decamo.errors import DataError, UnreadableImage


def png(size: tuple[int, int] = (4, 3)) -> bytes:
    out = io.BytesIO()
    Image.new("L", size, 255).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "frogs.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/one.png", png())
        file.writestr("a/two.png", png())
        file.writestr("a/other.png", png((5, 5)))
        file.writestr("notes.txt", "é".encode())
    return path


class TestZips:
    @pytest.mark.parametrize(
        ("look", "name"),
        [
            (lambda archive: bytes_at(archive / "a/three.png"), "a/three.png"),
            (lambda archive: stat_at(archive / "b"), "b"),
            (lambda archive: entries_at(archive, "b"), "b"),
        ],
    )
    def test_what_is_not_in_one_is_not_found_by_its_whole_name(
        self, archive: Path, look: Callable[[Path], object], name: str
    ) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            look(archive)
        assert caught.value.filename == str(archive / name)

    def test_a_member_under_a_password_is_refused(self, archive: Path) -> None:
        data = bytearray(archive.read_bytes())
        entry = data.index(b"PK\x01\x02")  # the first of the directory
        data[entry + 8] |= 1  # its flags
        archive.write_bytes(data)
        with pytest.raises(UnreadableImage, match=r"one\.png: encrypted in .*; pack it without"):
            bytes_at(archive / "a/one.png")

    def test_one_of_too_many_members_is_refused(
        self, archive: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(zipped, "_MOST", 3)
        with pytest.raises(DataError, match=r"frogs\.zip: 4 members, over 3; unpack it"):
            open_archive(archive)

    def test_text_and_links_within_one(self, archive: Path, tmp_path: Path) -> None:
        assert located(archive / "notes.txt").read_text() == "é"
        assert not located(archive / "a/one.png").is_symlink()
        link = tmp_path / "link.zip"
        link.symlink_to(archive)
        assert link.is_symlink()

    def test_members_are_compared_by_their_bytes(self, archive: Path, tmp_path: Path) -> None:
        one, two, other = (located(archive / f"a/{n}.png") for n in ("one", "two", "other"))
        outside = tmp_path / "one.png"
        outside.write_bytes(png())
        assert same_content(one, two)
        assert same_content(one, outside)
        assert not same_content(one, other)


def held_coco(**changes: Any) -> dict[str, Any]:
    image = {"id": 1, "file_name": "a.jpg", "height": 2, "width": 3}
    part = {"id": 1, "image_id": 1, "segmentation": {"size": [2, 3], "counts": [2, 4]}}
    return {"images": [image], "annotations": [part]} | changes


class TestCoco:
    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("{", "no json"),
            (json.dumps({"images": [], "annotations": []}), "it lists no image"),
            (json.dumps(held_coco(images=[{"id": 1.5}])), r"an image without an id: \{'id': 1.5\}"),
            (json.dumps(held_coco(images=["a.jpg"])), "an image without an id: a.jpg"),
        ],
    )
    def test_a_json_that_is_none_of_it_is_named(self, tmp_path: Path, text: str, why: str) -> None:
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(DataError, match=rf"a\.json: {why}"):
            open_coco(tmp_path / "a.json")

    def test_run_lengths_and_names_that_cannot_be(self, tmp_path: Path) -> None:
        path = tmp_path / "a.json"
        path.write_text(json.dumps(held_coco()))
        plain = open_coco(path).read(f"a{EXTENSION}")
        assert np.asarray(Image.open(io.BytesIO(plain))).tolist() == [[0, 255, 255], [0, 255, 255]]
        with pytest.raises(FileNotFoundError, match="no such image in the annotations"):
            open_coco(path).read(f"b{EXTENSION}")
        segment = {"size": [2, 3], "counts": [2, 4.0]}
        part = {"id": 1, "image_id": 1, "segmentation": segment}
        path.write_text(json.dumps(held_coco(annotations=[part])))
        with pytest.raises(UnreadableImage, match="run lengths that are no whole numbers"):
            open_coco(path).read(f"a{EXTENSION}")


def labelme(folder: Path, *shapes: Any, **changes: Any) -> Path:
    Image.new("RGB", (30, 20)).save(folder / "a.png")
    held = {"version": "5.0.1", "shapes": shapes, "imagePath": "a.png", "imageData": None}
    (folder / "a.json").write_text(json.dumps(held | changes))
    return folder / "a.json"


class TestLabelMe:
    @pytest.mark.parametrize(
        ("text", "why"), [("{", "no json"), ("[]", "lacks the list shapes"), ("{}", "lacks the")]
    )
    def test_a_json_that_is_none_of_it_is_named(self, tmp_path: Path, text: str, why: str) -> None:
        (tmp_path / "a.json").write_text(text)
        assert not seems_labelme(tmp_path / "a.json")
        with pytest.raises(DataError, match=rf"a\.json: .*{why}"):
            open_labelme(tmp_path / "a.json")
        assert not seems_labelme(tmp_path / "b.json")

    def test_shapes_and_boxes_that_do_not_fit_are_named(self, tmp_path: Path) -> None:
        bits = base64.b64encode(png((4, 3))).decode()
        small = {"shape_type": "mask", "points": [[1, 1], [9, 9]], "mask": bits}
        for wrong, why in (("frog", "a shape that is none"), (small, "mask is 3 x 4 px, its box")):
            found = open_labelme(labelme(tmp_path, wrong))
            with pytest.raises(UnreadableImage, match=why):
                read_labelme(found.path, str(found.mask.relative_to(found.path)))

    def test_an_image_within_that_is_damaged_is_named(self, tmp_path: Path) -> None:
        path = labelme(tmp_path, imagePath="../../b.png", imageData="iVBORw*")
        found = open_labelme(path)
        assert path in found.image.parents  # what leads out is not followed
        with pytest.raises(UnreadableImage, match="no image in the json"):
            read_labelme(path, str(found.image.relative_to(path)))

    def test_an_image_without_a_name_lies_in_the_json(self, tmp_path: Path) -> None:
        data = base64.b64encode(png()).decode()
        path = labelme(tmp_path, imagePath=None, imageData=data)
        found = open_labelme(path)
        assert read_labelme(path, str(found.image.relative_to(path))) == png()


class TestYolo:
    def test_labels_without_an_image(self, tmp_path: Path) -> None:
        labels = tmp_path / "labels" / "a.txt"
        labels.parent.mkdir()
        labels.write_text("0 0 0 1 0 1 1\n")
        assert image_of_labels(labels) is None
        with pytest.raises(FileNotFoundError, match="no image of these labels"):
            read_yolo(labels, "a.pgm")

    @pytest.mark.parametrize(
        ("text", "is_one"),
        [
            ("0 0 0 1 0 1 1\n", True),
            ("\n 3 0.5 0.5 0.1 0.1\n", True),
            ("frog 0 0 1 0\n", False),
            ("0.5 0 0 1 0\n", False),
            ("1 2 3\n", False),
            ("", False),
        ],
    )
    def test_what_its_first_line_is_like(self, tmp_path: Path, text: str, is_one: bool) -> None:
        (tmp_path / "a.txt").write_text(text)
        assert seems_yolo(tmp_path / "a.txt") is is_one


class TestTables:
    def test_cells_that_are_not_there_and_groups_that_are_too_large(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table({"image": [png()], "mask": [png()]}), path)
        assert read_cell(path, "0/image/a.png") == png()
        for name in ("1/image/a.png", "x/image/a.png", "0/caption/a.png"):
            with pytest.raises(FileNotFoundError, match="no such cell in the table"):
                read_cell(path, name)
        monkeypatch.setattr(tables, "_LARGEST", 10)
        path.touch()
        with pytest.raises(DataError, match=r"a row group of over 0 GB; write it with fewer rows"):
            open_shard(path)
