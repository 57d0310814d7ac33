import unicodedata
from pathlib import Path

import pytest

from decamo.data.finding import Source, sources_under
from decamo.data.matching import files_by_stem, match_stems
from decamo.errors import DataError


@pytest.fixture
def source(tmp_path: Path) -> Source:
    for name in ("Imgs", "GT"):
        (tmp_path / name).mkdir()
    return Source("set", tmp_path, tmp_path / "Imgs", tmp_path / "GT", "", False)


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


def test_extension_and_its_case_do_not_matter(source: Source) -> None:
    touch(source.images, "a.JPG", "b.jpeg", "c.webp", "notes.txt", "._a.JPG")
    touch(source.masks, "a.png", "b.BMP", "c.tif")
    pairs, orphans = match_stems(source, "train")
    assert [(p.stem, p.mask.name, p.split) for p in pairs] == [
        ("a", "a.png", "train"),
        ("b", "b.BMP", "train"),
        ("c", "c.tif", "train"),
    ]
    assert orphans == []


def test_order_of_files_never_pairs_strangers(source: Source) -> None:
    touch(source.images, "1.jpg", "2.jpg", "3.jpg")
    touch(source.masks, "2.png", "3.png", "4.png")
    pairs, orphans = match_stems(source, "train")
    assert [(p.image.stem, p.mask.stem) for p in pairs] == [("2", "2"), ("3", "3")]
    assert [o.name for o in orphans] == ["4.png", "1.jpg"]


def test_two_files_of_one_stem_are_refused(source: Source) -> None:
    touch(source.images, "a.jpg", "a.png")
    with pytest.raises(DataError, match=r"a\.jpg and a\.png have the same name"):
        match_stems(source, "train")


def test_accents_match_however_they_are_written(source: Source) -> None:
    touch(source.images, unicodedata.normalize("NFD", "gökkuş") + ".jpg")
    touch(source.masks, unicodedata.normalize("NFC", "gökkuş") + ".png")
    assert len(match_stems(source, "train")[0]) == 1


def test_a_link_to_itself_is_no_file(tmp_path: Path) -> None:
    for name in ("Image", "GT"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ring.png").symlink_to("ring.png")
    (source,) = sources_under(tmp_path)
    assert match_stems(source, "train") == ([], [])


def test_files_by_stem_leave_out_hidden_ones_and_other_kinds(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "._a.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert files_by_stem(tmp_path) == {"a": tmp_path / "a.jpg", "b": tmp_path / "b.PNG"}
