import os
from pathlib import Path

import pytest

from decamo.data.cache import cache_identity, side_of
from decamo.data.pairs import Pair
from decamo.errors import UnreadableImage

PAIRS = tuple[Pair, ...]


@pytest.mark.parametrize(
    ("size", "side"), [(32, 64), (64, 96), (256, 320), (352, 448), (384, 480), (512, 640)]
)
def test_the_side_of_a_size_never_changes(size: int, side: int) -> None:
    assert side_of(size) == side


def test_a_side_is_a_little_above_the_size() -> None:
    for size in range(32, 1025):
        assert 1.25 * size <= side_of(size) < 1.25 * size + 32
        assert side_of(size) % 32 == 0


def test_unchanged_files_have_one_name(pairs: PAIRS) -> None:
    name = cache_identity(pairs, 64)
    assert len(name) == 32
    assert cache_identity(list(pairs), 64) == name


def test_whatever_the_pixels_depend_on_changes_the_name(pairs: PAIRS, tmp_path: Path) -> None:
    names = {cache_identity(pairs, 64), cache_identity(pairs, 96), cache_identity(pairs[::-1], 64)}
    names.add(cache_identity(pairs[:-1], 64))
    stat = pairs[2].mask.stat()
    os.utime(pairs[2].mask, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    names.add(cache_identity(pairs, 64))
    with pairs[0].image.open("ab") as file:
        file.write(b"\0")
    os.utime(pairs[0].image, ns=(0, 0))
    names.add(cache_identity(pairs, 64))
    twin = tmp_path / "twin.jpg"
    os.link(pairs[1].image, twin)
    moved = Pair(twin, pairs[1].mask, "1", "set", "train")
    names.add(cache_identity((pairs[0], moved, *pairs[2:]), 64))
    assert len(names) == 7


def test_another_library_makes_other_pixels(pairs: PAIRS, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache_identity(pairs, 64)
    monkeypatch.setattr("decamo.data.cache.identity.version", lambda name: "0")
    assert cache_identity(pairs, 64) != before


def test_a_lost_file_is_named(pairs: PAIRS) -> None:
    pairs[3].mask.unlink()
    with pytest.raises(UnreadableImage, match=r"3\.png"):
        cache_identity(pairs, 64)
