from pathlib import Path

import pytest

from decamo.data.pairs import ARRAY_SUFFIXES, files_by_stem, holds_images, image_files, others_in
from decamo.errors import DataError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_files_in_folders_within_are_named_by_their_path(tmp_path: Path) -> None:
    touch(tmp_path, "frog/a.jpg", "frog/old/b.PNG", "owl/a.jpg", ".hidden/c.jpg", "owl/notes.txt")
    assert set(files_by_stem(tmp_path)) == {"frog/a", "frog/old/b", "owl/a"}


def test_beside_files_no_folder_within_is_opened(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "backup/b.jpg")
    assert set(files_by_stem(tmp_path)) == {"a"}
    assert [path.name for path in image_files(tmp_path)] == ["a.jpg"]


def test_no_deeper_than_three_folders(tmp_path: Path) -> None:
    touch(tmp_path, "1/2/3/4/a.jpg")
    assert files_by_stem(tmp_path) == {}
    touch(tmp_path, "1/2/3/b.jpg")
    assert set(files_by_stem(tmp_path)) == {"1/2/3/b"}


@pytest.mark.parametrize("name", ["a.gif", "a.jfif", "a.pgm", "a.GIF", "a.npy"])
def test_other_formats_count_but_give_way_to_the_usual_ones(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name)
    assert files_by_stem(tmp_path, ARRAY_SUFFIXES)["a"].name == name
    touch(tmp_path, "a.png")
    assert files_by_stem(tmp_path, ARRAY_SUFFIXES)["a"].name == "a.png"


def test_arrays_are_masks_alone(tmp_path: Path) -> None:
    touch(tmp_path, "a.npy")
    assert files_by_stem(tmp_path) == {}
    assert holds_images(tmp_path)


def test_two_usual_files_of_one_name_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "frog/a.jpg", "frog/a.bmp")
    with pytest.raises(DataError, match=r"a\.bmp and a\.jpg"):
        files_by_stem(tmp_path)


def test_what_cannot_be_read_is_counted_by_extension(tmp_path: Path) -> None:
    touch(tmp_path, "a.heic", "b.HEIC", "c.mat", "d.jpg", ".e.mat")
    assert others_in(tmp_path) == {".heic": 2, ".mat": 1}
