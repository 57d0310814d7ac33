from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from decamo.data.census import Entry
from decamo.data.fingerprints import fingerprint_of
from decamo.data.neighbours import find_neighbours
from decamo.data.pairs import Pair
from decamo.errors import DataError, SettingsError
from tests.data.test_fingerprints import recompressed, smooth

Pixels = NDArray[np.uint8]


def entry(key: str, pixels: Pixels | None, digest: str = "", folder: str = "x") -> Entry:
    dataset, _, stem = key.partition("/")
    pair = Pair(Path(folder, f"{stem}.jpg"), Path("m"), stem, dataset, "train")
    found = None if pixels is None else fingerprint_of(pixels)
    return Entry(pair, 240, 320, 0.1, digest or key, key, found)


def panned(seed: int, frame: int) -> Pixels:
    """A frame of a camera that pans by 12 px of 320 from one to the next."""
    wide = np.concatenate([smooth(seed), smooth(seed + 900), smooth(seed + 1800)], axis=1)
    return np.ascontiguousarray(wide[:, 12 * frame : 12 * frame + 320])


def video(name: str, count: int = 20, seed: int = 1, first: int = 0, step: int = 1) -> list[Entry]:
    return [entry(name.format(first + step * f), panned(seed, f)) for f in range(count)]


def photos(name: str, count: int, seed: int = 100) -> list[Entry]:
    return [entry(name.format(n), smooth(seed + n)) for n in range(count)]


def found(entries: list[Entry], group_by: str = "auto") -> list[set[str]]:
    return [set(group) for group in find_neighbours(entries, group_by).groups]


VIDEOS: dict[str, Callable[[], tuple[list[Entry], list[Entry]]]] = {
    "seq1_000": lambda: (video("S/seq1_{:03d}"), video("S/seq2_{:03d}", seed=2)),
    "clip-1-frame-3": lambda: (video("S/clip-1-frame-{}"), video("S/clip-2-frame-{}", seed=2)),
    "every fifth frame": lambda: (
        video("S/a_{:05d}", step=5), video("S/b_{:05d}", seed=2, step=5, first=100)),
    "a folder for each": lambda: (video("S/fox/{:05d}"), video("S/owl/{:05d}", seed=2)),
    "a data set for each": lambda: (video("fox/{:05d}"), video("owl/{:05d}", seed=2)),
    "words behind the number": lambda: (video("S/v1_{:02d}_rgb"), video("S/v2_{:02d}_rgb", seed=2)),
}  # fmt: skip


@pytest.mark.parametrize("kind", VIDEOS)
def test_frames_of_a_video_are_together(kind: str) -> None:
    one, other = VIDEOS[kind]()
    singles = photos("S/photo{}", 30)
    groups = found([*one, *other, *singles])
    assert sorted(map(sorted, groups)) == sorted(
        sorted(e.pair.key for e in frames) for frames in (one, other)
    )


def test_one_long_numbering_is_parted_at_its_cuts() -> None:
    frames = [video("S/{:04d}", 15, seed=s, first=15 * n) for n, s in enumerate((1, 2, 3))]
    groups = found([e for part in frames for e in part])
    assert sorted(len(group) for group in groups) == [15, 15, 15]


def test_numbers_alone_make_no_sequence() -> None:
    assert found(photos("CAMO/camourflage_{:05d}", 60)) == []
    assert found(photos("COD10K-v3/COD10K-CAM-1-Aquatic-3-Crab-{}", 60)) == []


def test_a_set_that_says_so_has_sequences_whatever_they_look_like() -> None:
    entries = [
        entry(f"MoCA/{name}/{n}", smooth(n + 50 * i), folder=f"TrainDataset_per_sq/{name}/Imgs")
        for i, name in enumerate(("fox", "owl"))
        for n in range(3)
    ]
    assert len(found(entries)) == 2


def test_near_copies_are_together_and_equal_bytes() -> None:
    picture = smooth(1)
    entries = [
        entry("S/a", picture),
        entry("S/b", recompressed(picture, 30)),
        entry("S/c", np.ascontiguousarray(picture[:, ::-1])),
        entry("S/flat", np.full((240, 320, 3), 9, np.uint8), digest="same"),
        entry("T/flat", np.full((240, 320, 3), 9, np.uint8), digest="same"),
        *photos("S/other{}", 10),
    ]
    groups = found(entries)
    assert sorted(map(sorted, groups)) == [["S/a", "S/b", "S/c"], ["S/flat", "T/flat"]]
    assert find_neighbours(entries).lines == ("2 groups of near copies, 5 images",)


def test_none_lets_all_apart_and_nobody_looks_twice() -> None:
    frames = video("S/seq_{:03d}")
    assert find_neighbours([*frames, *photos("S/p{}", 40)], "none").groups == ()
    assert found([replace(e, print=None) for e in frames]) == []


def test_a_pattern_puts_together_what_has_the_same_text() -> None:
    entries = photos("S/cam1_day{}", 6) + photos("S/cam2_day{}", 6, seed=300)
    assert [len(g) for g in found(entries, r"cam\d+")] == [6, 6]
    assert [len(g) for g in found(entries, r"_day(\d)")] == [2] * 6
    assert find_neighbours(entries, r"cam\d").lines[0].startswith("2 groups by --group-by cam")


def test_a_pattern_that_cannot_be_meant_is_refused() -> None:
    with pytest.raises(SettingsError, match="--group-by: got '\\(': "):
        find_neighbours(photos("S/a{}", 3), "(")
    with pytest.raises(DataError, match="--group-by: seq finds nothing in S/a0"):
        find_neighbours(photos("S/a{}", 3), "seq")
