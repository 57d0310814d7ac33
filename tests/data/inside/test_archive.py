import os
import pickle
import zipfile
from pathlib import Path

import pytest

from decamo.data.census import take_census
from decamo.data.inside import InnerPath, located
from decamo.data.layouts import find_pairs
from decamo.errors import DataError, UnreadableImage
from tests.data.inside.sets import assert_same, to_zip


def test_a_zip_is_read_as_the_folder_it_was_made_from(scenes: Path, tmp_path: Path) -> None:
    inside, bare = tmp_path / "any.zip", tmp_path / "Frogs.zip"
    to_zip(scenes, inside)
    to_zip(scenes, bare, inside=False)
    for archive in (inside, bare):
        assert_same(archive, scenes)
        ours, theirs = (find_pairs([root], "train").sources for root in (archive, scenes))
        assert ours == theirs


def test_a_census_of_a_zip_has_the_digests_of_the_files(scenes: Path, tmp_path: Path) -> None:
    archive = to_zip(scenes, tmp_path / "Frogs.zip")
    ours, theirs = (
        take_census(find_pairs([root], "train").pairs, workers=2) for root in (archive, scenes)
    )
    assert [(e.image_digest, e.mask_digest, e.foreground) for e in ours.entries] == [
        (e.image_digest, e.mask_digest, e.foreground) for e in theirs.entries
    ]
    again = take_census(find_pairs([archive], "train").pairs, workers=1, seen=ours.cache)
    assert again.entries == ours.entries


def test_a_folder_within_a_zip_can_be_named(scenes: Path, tmp_path: Path) -> None:
    archive = to_zip(scenes, tmp_path / "Frogs.zip")
    assert len(find_pairs([archive / "Frogs" / "Train"], "train").pairs) == 10


def test_a_path_into_a_zip_travels_as_a_pickle_and_as_text(scenes: Path, tmp_path: Path) -> None:
    archive = to_zip(scenes, tmp_path / "Frogs.zip")
    path = find_pairs([archive], "train").pairs[0].image
    plain = path.read_bytes()
    for other in (pickle.loads(pickle.dumps(path)), located(str(path))):
        assert isinstance(other, InnerPath)
        assert other == path
        assert other.read_bytes() == plain


def test_a_folder_that_is_called_like_a_zip_stays_a_folder(scenes: Path, tmp_path: Path) -> None:
    root = tmp_path / "odd.zip"
    os.symlink(scenes, root)  # noqa: PTH211
    assert type(located(root / "Train")) is type(Path())
    assert len(find_pairs([root], "train").pairs) == 10


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a/../../x.png", "C:/x.png", "..\\x.png"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "bad.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(name, b"x")
    with pytest.raises(DataError, match=r"bad\.zip: holds .*leads out of it; make the archive"):
        find_pairs([archive], "train")


def test_a_zip_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 but no more")
    with pytest.raises(DataError, match=r"bad\.zip: no zip that can be read"):
        find_pairs([tmp_path / "bad.zip"], "train")


def test_one_name_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as file:
        file.writestr("a.png", b"x")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("a.png", b"y")
    with pytest.raises(DataError, match=r"holds two files named a\.png"):
        find_pairs([tmp_path / "two.zip"], "train")


def test_a_bomb_is_not_unpacked(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = to_zip(scenes, tmp_path / "Frogs.zip")
    pair = find_pairs([archive], "train").pairs[0]
    monkeypatch.setattr("decamo.data.inside.zipped.LARGEST", 100)
    with pytest.raises(UnreadableImage, match=r"it unpacks to .* GB"):
        pair.image.read_bytes()
    census = take_census([pair], workers=1)
    assert "unpacks to" in census.bad[0].reason


def test_damage_names_the_member(scenes: Path, tmp_path: Path) -> None:
    archive = tmp_path / "Frogs.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for path in sorted(scenes.rglob("*.*")):
            file.write(path, path.relative_to(scenes.parent))
    data = bytearray(archive.read_bytes())
    first = min((scenes / "Train" / "Image").iterdir())
    at = data.find(first.read_bytes())
    data[at + 50] ^= 255
    archive.write_bytes(data)
    census = take_census(find_pairs([archive], "train").pairs, workers=1)
    (bad,) = census.bad
    assert bad.path == archive / "Frogs" / "Train" / "Image" / first.name
    assert "damaged in the archive" in bad.reason


def test_what_macos_adds_is_no_data(scenes: Path, tmp_path: Path) -> None:
    archive = to_zip(scenes, tmp_path / "Frogs.zip")
    with zipfile.ZipFile(archive, "a") as file:
        for name in ("Frogs/Train/Image/._a.jpg", "Frogs/Train/GT_Object/._a.png"):
            file.writestr(f"__MACOSX/{name}", b"resource fork")
    assert_same(archive, scenes)
