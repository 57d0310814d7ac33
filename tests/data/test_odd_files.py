"""Files and folders that are rare, damaged or out of reach, and what is made of them."""

import io
import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from decamo.data import annotations, dataset, finding
from decamo.data.dataset import BatchReader, Errand
from decamo.data.decoding import header_of, is_wide_file
from decamo.data.folder_pairs import folder_pairs_among, side_by_side
from decamo.data.inside.inner_path import entries_of as entries_of_disk
from decamo.data.layouts import find_pairs
from decamo.data.packed_names import PackedNames
from decamo.data.pixel_range import WideLook, declared_range, scale_words
from decamo.data.reading import read_image
from decamo.data.regions import thinned
from decamo.data.rules import PixelScale, rules_from_plain
from decamo.data.wanted import Wanted
from decamo.errors import DataError, UnreadableImage


def pictures(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("L", (8, 6)).save(folder / name)


class TestArrays:
    @pytest.mark.parametrize(
        ("dtype", "is_wide"), [("uint8", False), ("bool", False), ("uint16", True), ("f4", True)]
    )
    def test_are_wide_by_their_format(self, tmp_path: Path, dtype: str, is_wide: bool) -> None:
        np.save(tmp_path / "a.npy", np.zeros((4, 5), dtype=dtype))
        assert is_wide_file(tmp_path / "a.npy") is is_wide

    @pytest.mark.parametrize("shape", [(5,), (2, 3, 4, 5), (0, 7)])
    def test_of_another_shape_are_refused(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
        with pytest.raises(UnreadableImage, match=r"an array of shape \("):
            read_image(tmp_path / "a.npy")


@pytest.mark.parametrize(("orientation", "size"), [(1, (6, 8)), (3, (6, 8)), (6, (6, 8))])
def test_a_tiff_has_the_size_that_it_is_stored_in(
    tmp_path: Path, orientation: int, size: tuple[int, int]
) -> None:
    """Pillow says of a TIFF, and of no other file, the size as displayed."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("L", (8, 6)).save(tmp_path / "a.tif", exif=exif)
    with (tmp_path / "a.tif").open("rb") as file:
        assert header_of(file) == (size, orientation)


class TestFolders:
    def test_too_many_are_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(finding, "_MOST_FOLDERS", 3)
        for number in range(4):
            (tmp_path / str(number)).mkdir()
        with pytest.raises(DataError, match=r"holds more than 3 folders; name the data set's own"):
            finding.sources_under(tmp_path)

    def test_one_that_is_closed_to_us_is_passed_by(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pictures(tmp_path / "set" / "Imgs", "a.jpg")
        pictures(tmp_path / "set" / "GT", "a.png")
        (tmp_path / "lost+found").mkdir()
        real = entries_of_disk

        def entries_of(folder: Path) -> Any:
            if folder.name == "lost+found":
                raise PermissionError(13, "Permission denied", str(folder))
            return real(folder)

        for module in (finding, annotations):
            monkeypatch.setattr(module, "entries_of", entries_of)
        assert [p.key for p in find_pairs([tmp_path], "train").pairs] == ["set/a"]

    def test_masks_of_classes_are_taken_before_those_of_objects(self, tmp_path: Path) -> None:
        for name in ("JPEGImages", "SegmentationClass", "SegmentationObject"):
            pictures(tmp_path / name, "a.png")
        children = sorted(tmp_path.iterdir())
        assert [(i.name, m.name) for i, m in folder_pairs_among(children)] == [
            ("JPEGImages", "SegmentationClass")
        ]

    def test_a_damaged_file_says_nothing_of_which_is_the_mask(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        for name in "abc":
            noise = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / f"{name}.jpg")
            Image.new("L", (40, 40), 255).save(tmp_path / f"{name}.png")
        (tmp_path / "a.png").write_bytes(b"no picture")
        told = side_by_side(tmp_path, "")
        assert told is not None
        assert {p.suffix for p in told.masks.values()} == {".png"}


class TestWhatIsToTrainOn:
    def test_is_said_by_a_pattern(self, tmp_path: Path) -> None:
        for folder, suffix in (("Imgs", ".jpg"), ("GT", ".png")):
            pictures(tmp_path / "set" / folder, *(f"{stem}{suffix}" for stem in ("a", "b", "moth")))
        wanted = Wanted(train_on=("mo*",))
        train, test = (find_pairs([tmp_path], half, wanted) for half in ("train", "test"))
        assert [p.stem for p in train.pairs] == ["moth"]
        assert [p.stem for p in test.pairs] == ["a", "b"]
        assert "--train-on" in " ".join(train.sources)


class TestRanges:
    def look(self, **changes: Any) -> WideLook:
        plain = WideLook(low=0, high=4000, dark=10, bright=3900, whole=True, declared=0)
        return replace(plain, **changes)

    @pytest.mark.parametrize(
        ("scale", "declared", "why"),
        [
            (None, 0, "all of 16 bits"),
            (PixelScale(0, 4095), 4095, "as the files declare"),
            (PixelScale(0, 255), 0, "a range that they fill"),
            (PixelScale(3, 3800), 0, "robust percentiles of them all"),
        ],
    )
    def test_each_is_told_with_its_reason(
        self, scale: PixelScale | None, declared: int, why: str
    ) -> None:
        line = scale_words([self.look(declared=declared)], scale)
        assert line.startswith("1 image of more than 8 bits, whole numbers from 0 to 4000: ")
        assert line.endswith(f"({why})")

    def test_a_png_that_ends_after_its_header_declares_nothing(self) -> None:
        out = io.BytesIO()
        Image.fromarray(np.zeros((2, 2), np.uint16)).save(out, "PNG")
        whole = out.getvalue()
        with Image.open(io.BytesIO(whole)) as picture:
            assert declared_range(picture, io.BytesIO(whole[:33])) == (0, 0)
            bits = struct.pack(">I4sB", 1, b"sBIT", 12) + bytes(4)
            assert declared_range(picture, io.BytesIO(whole[:33] + bits)) == (0, 4095)

    def test_another_format_declares_nothing(self) -> None:
        out = io.BytesIO()
        Image.new("RGB", (2, 2)).save(out, "BMP")
        with Image.open(out) as picture:
            assert declared_range(picture, out) == (0, 0)


class TestReadingForABatch:
    @pytest.fixture
    def reader(self, monkeypatch: pytest.MonkeyPatch) -> BatchReader:
        class Failing:
            size = 8

            def __getitem__(self, at: object) -> None:
                raise RuntimeError(at)

        return BatchReader(Failing(), None, alone=False)  # type: ignore[arg-type]

    def test_torch_says_in_words_that_there_is_no_memory(self, reader: BatchReader) -> None:
        word = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."
        with pytest.raises(MemoryError, match="8 bytes"):
            reader(Errand([word], None))  # type: ignore[list-item]

    def test_another_error_of_torch_stays_what_it_is(self, reader: BatchReader) -> None:
        with pytest.raises(RuntimeError, match="shapes differ"):
            reader(Errand(["shapes differ"], None))  # type: ignore[list-item]

    def test_none_are_a_batch_of_none(self) -> None:
        batch = dataset.collate([], 8)
        assert (batch.image.shape, batch.mask.shape) == ((0, 3, 8, 8), (0, 1, 8, 8))
        assert batch.image.dtype == torch.uint8


def test_rings_of_equal_ends_are_thinned_by_the_distance_from_there() -> None:
    """A ring that comes back through its first corner, as two squares that touch do."""
    ring: list[tuple[float, float]] = [(0, 0), (4, 0), (4, 4), (0, 4)]
    assert thinned(ring, 0.5) == ring
    assert thinned([(0, 0), (2, 0), (4, 0), (4, 4), (0, 4)], 0.5) == ring


def test_packed_names_are_sliced_like_a_list() -> None:
    names = [f"frog-{number}" for number in range(1500)]
    packed = PackedNames(names)
    assert packed[3:1200:300] == names[3:1200:300]
    assert packed[-2:] == names[-2:]


@pytest.mark.parametrize("plain", [None, [], {"set": {}}, {"set": 3}, {"set": {"meaning": 7}}])
def test_rules_that_make_no_sense_are_none(plain: object) -> None:
    assert rules_from_plain(plain) == {}


def test_this_machine_says_where_a_file_is_not(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match=os.strerror(2)):
        is_wide_file(tmp_path / "a.png")
