import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from decamo.data.scenes.compose import _empty_of, make_scene, write_scenes
from decamo.errors import DataError, SettingsError, StorageError


def quiet(_done: int, _total: int) -> None:
    pass


def write(
    root: Path,
    train: int = 8,
    test: int = 4,
    noncam_share: float = 0.25,
    seed: int = 2,
    on_progress: Callable[[int, int], None] = quiet,
) -> Path:
    write_scenes(
        root,
        train=train,
        test=test,
        size=48,
        noncam_share=noncam_share,
        seed=seed,
        on_progress=on_progress,
    )
    return root


def state(root: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in root.rglob("*")
        if path.is_file()
    }


def test_the_layout_is_cod10k_v3(tmp_path: Path) -> None:
    root = write(tmp_path / "deep" / "scenes")
    assert {path.name for path in root.iterdir()} == {"Train", "Test", "scenes.json"}
    for split, count in (("Train", 8), ("Test", 4)):
        images = sorted((root / split / "Image").iterdir())
        masks = sorted((root / split / "GT_Object").iterdir())
        assert [path.stem for path in images] == [path.stem for path in masks]
        assert len(images) == count
        assert {path.suffix for path in images} == {".jpg"}
        assert {path.suffix for path in masks} == {".png"}


def test_the_files_are_the_scenes(tmp_path: Path) -> None:
    root = write(tmp_path)
    for path in root.glob("*/Image/*.jpg"):
        index = int(path.stem.rsplit("-", 1)[1]) - 1
        scene = make_scene(2, index, 48, camouflaged="-CAM-" in path.stem)
        assert scene.name == path.stem
        with Image.open(path) as image:
            assert image.mode == "RGB"
            off = np.abs(np.asarray(image, dtype=np.float64) - scene.image).mean()
        assert off < 8  # JPEG halves the resolution of colour
        with Image.open(path.parents[1] / "GT_Object" / f"{path.stem}.png") as mask:
            assert mask.mode == "L"
            np.testing.assert_array_equal(np.asarray(mask), scene.mask * np.uint8(255))


def test_noncam_scenes_are_named_so_counted_and_empty(tmp_path: Path) -> None:
    root = write(tmp_path)
    for split, count in (("Train", 2), ("Test", 1)):
        masks = list((root / split / "GT_Object").glob("COD10K-NonCAM-*.png"))
        assert len(masks) == count
    for path in root.glob("*/GT_Object/*.png"):
        with Image.open(path) as mask:
            assert np.asarray(mask).any() == ("-CAM-" in path.name)


@given(count=st.integers(0, 10_000), percent=st.integers(0, 100))
def test_the_noncam_count_is_exact_for_whole_percents(count: int, percent: int) -> None:
    assert _empty_of(count, percent / 100) == count * percent // 100


def test_no_scene_is_in_both_splits(tmp_path: Path) -> None:
    root = write(tmp_path)
    numbers = [path.stem.rsplit("-", 1)[1] for path in root.glob("*/Image/*.jpg")]
    assert sorted(map(int, numbers)) == list(range(1, 13))


def test_progress_counts_to_the_total(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    write(tmp_path, on_progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 12) for done in range(1, 13)]


def test_a_second_call_touches_nothing(tmp_path: Path) -> None:
    before = state(write(tmp_path))
    assert state(write(tmp_path)) == before


def test_an_interrupted_folder_is_finished(tmp_path: Path) -> None:
    def stop(done: int, _total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "cut", on_progress=stop)
    whole, cut = state(write(tmp_path / "whole")), state(write(tmp_path / "cut"))
    assert {name: data for name, (_, data) in cut.items()} == {
        name: data for name, (_, data) in whole.items()
    }


@pytest.mark.parametrize("change", [{"seed": 3}, {"train": 9}, {"noncam_share": 0.0}])
def test_scenes_of_other_numbers_are_refused(tmp_path: Path, change: dict[str, int]) -> None:
    before = state(write(tmp_path))
    with pytest.raises(DataError, match="other numbers"):
        write(tmp_path, **change)  # type: ignore[arg-type]
    assert state(tmp_path) == before


@pytest.mark.parametrize("content", ["", "[]", '{"train": 8}', "\x00"])
def test_a_foreign_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "scenes.json").write_text(content)
    with pytest.raises(DataError, match="other numbers"):
        write(tmp_path)


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="not scenes"):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="is a file"):
        write(tmp_path / "file")


def test_a_failing_disk_is_one_line(tmp_path: Path) -> None:
    write(tmp_path, train=0, test=0)
    (tmp_path / "Train" / "Image").rmdir()
    (tmp_path / "Train" / "Image").write_text("a file in the way")
    with pytest.raises(StorageError, match="Image"):
        write(tmp_path, train=0, test=0)


def test_the_manifest_holds_the_numbers(tmp_path: Path) -> None:
    manifest = json.loads((write(tmp_path) / "scenes.json").read_text())
    assert manifest.pop("version") >= 1
    numbers = {"train": 8, "test": 4, "size": 48, "noncam_share": 0.25, "seed": 2}
    assert manifest == numbers


def test_numbers_out_of_range_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--noncam-share"):
        write(tmp_path / "new", noncam_share=1.5)
    with pytest.raises(SettingsError, match="--train"):
        write(tmp_path / "new", train=-1)
    assert not (tmp_path / "new").exists()
