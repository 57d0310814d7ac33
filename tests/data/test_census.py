import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.data import census as room
from decamo.data.census import (
    BadFile,
    Census,
    Entry,
    apply_noncam,
    load_cache,
    refuse_if_bad,
    save_cache,
    take_census,
)
from decamo.data.pairs import Pair
from decamo.errors import DataError, SettingsError, StorageError, TooManyBadImages


def make(folder: Path, count: int, prefix: str = "im") -> list[Pair]:
    rng = np.random.default_rng(count)
    pairs = []
    for number in range(count):
        height, width = 20 + number, 30
        image, mask = folder / f"{prefix}{number}.jpg", folder / f"{prefix}{number}.png"
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(image)
        on = np.zeros((height, width), dtype=np.uint8)
        on[:number] = 255
        Image.fromarray(on).save(mask)
        pairs.append(Pair(image, mask, image.stem, "set", "train"))
    return pairs


def forbid_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(room, "see_pair", never)


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_sizes_and_foreground_are_the_native_ones(tmp_path: Path, workers: int) -> None:
    pairs = make(tmp_path, 5)
    census = take_census(pairs, workers=workers)
    assert census.bad == ()
    assert [entry.pair for entry in census.entries] == pairs
    assert [(e.height, e.width) for e in census.entries] == [(20 + n, 30) for n in range(5)]
    assert [e.foreground for e in census.entries] == pytest.approx([n / (20 + n) for n in range(5)])


def test_progress_counts_every_pair(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    take_census(make(tmp_path, 4), workers=2, on_progress=lambda *step: steps.append(step))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_file_at_fault_is_named(tmp_path: Path) -> None:
    pairs = make(tmp_path, 5)
    pairs[0].image.write_text("<html>")
    whole = pairs[1].image.read_bytes()
    pairs[1].image.write_bytes(whole[: len(whole) * 9 // 10])
    pairs[2].mask.write_bytes(b"")
    pairs[3].mask.unlink()
    census = take_census(pairs, workers=2)
    assert [entry.pair for entry in census.entries] == pairs[4:]
    faults = [pairs[0].image, pairs[1].image, pairs[2].mask, pairs[3].mask]
    assert [bad.path for bad in census.bad] == faults
    assert [bad.pair_key for bad in census.bad] == [pair.key for pair in pairs[:4]]
    reasons = ["not an image", "truncated", "empty", "No such file"]
    assert all(want in bad.reason for want, bad in zip(reasons, census.bad, strict=True))


def test_unchanged_files_are_not_decoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = make(tmp_path, 4)
    before = take_census(pairs, workers=2)
    save_cache(tmp_path / "census.json", before)
    forbid_decoding(monkeypatch)
    after = take_census(pairs, workers=2, seen=load_cache(tmp_path / "census.json"))
    assert after == before
    assert after.cache == before.cache


@pytest.mark.parametrize("part", ["image", "mask"])
@pytest.mark.parametrize("change", ["size", "time"])
def test_a_changed_file_is_decoded_again(tmp_path: Path, part: str, change: str) -> None:
    pairs = make(tmp_path, 2)
    before = take_census(pairs, workers=1)
    path: Path = getattr(pairs[1], part)
    stat = path.stat()
    broken = b"x" * (stat.st_size - (change == "size"))
    path.write_bytes(broken)
    moved = stat.st_mtime_ns + (1 if change == "time" else 0)
    os.utime(path, ns=(stat.st_atime_ns, moved))
    after = take_census(pairs, workers=1, seen=before.cache)
    assert [bad.path for bad in after.bad] == [path]


def test_broken_files_are_looked_at_anew_and_other_sets_are_remembered(tmp_path: Path) -> None:
    pairs = make(tmp_path, 3)
    whole = pairs[0].image.read_bytes()
    pairs[0].image.write_bytes(b"")
    first = take_census(pairs, workers=1)
    assert len(first.bad) == 1
    pairs[0].image.write_bytes(whole)
    second = take_census(pairs[:1], workers=1, seen=first.cache)
    assert second.bad == ()
    assert len(second.cache) == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"version": 99, "pairs": {}}',
        b'{"version": 1}',
        b"[" * 9999,
    ],
)
def test_a_damaged_cache_is_an_empty_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "census.json").write_bytes(content)
    assert load_cache(tmp_path / "census.json") == {}
    assert load_cache(tmp_path / "none.json") == {}


DAMAGE: dict[str, object] = {
    "none": None,
    "a number": 3,
    "of an older version": [1, 2, 3, 4, 20, 30, 0.5],
    "empty": {},
    "size": {"size": [0, 30]},
    "one side": {"size": [30]},
    "share": {"foreground": 1.5},
    "text": {"size": ["20", 30]},
    "digest": {"digests": ["ab", "cd"]},
    "print": {"print": "AAAA"},
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_not_believed(tmp_path: Path, damage: str) -> None:
    pairs = make(tmp_path, 1)
    census = take_census(pairs, workers=1)
    ((name, known),) = census.cache.items()
    assert isinstance(known, dict)
    odd = DAMAGE[damage]
    seen = {name: known | odd if isinstance(odd, dict) and odd else odd}
    assert take_census(pairs, workers=1, seen=seen) == census


def test_files_are_known_by_their_bytes_wherever_they_lie(tmp_path: Path) -> None:
    pairs = make(tmp_path, 3)
    before = take_census(pairs, workers=1).entries
    shutil.copytree(tmp_path, tmp_path / "moved")
    moved = [
        replace(p, image=tmp_path / "moved" / p.image.name, mask=tmp_path / "moved" / p.mask.name)
        for p in pairs
    ]
    moved[1].image.write_bytes(moved[1].image.read_bytes() + b"\0")
    after = take_census(moved, workers=1).entries
    equal = [
        (a.image_digest == b.image_digest, a.mask_digest == b.mask_digest)
        for a, b in zip(before, after, strict=True)
    ]
    assert equal == [(True, True), (False, True), (True, True)]
    assert before[0].image_digest == hashlib.sha256(pairs[0].image.read_bytes()).hexdigest()[:24]


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        save_cache(tmp_path / "file" / "census.json", Census((), ()))


def entry(stem: str, foreground: float) -> Entry:
    return Entry(Pair(Path("i"), Path("m"), stem, "set", "train"), 1, 1, foreground)


def census_of(good: int, bad: int) -> Census:
    return Census(
        tuple(entry(str(n), 0.5) for n in range(good)),
        tuple(BadFile(f"set/{n}", Path(f"bad{n}.jpg"), "the file is empty") for n in range(bad)),
    )


@pytest.mark.parametrize(("good", "bad", "stops"), [(99, 1, False), (98, 1, True), (0, 0, False)])
def test_the_limit_is_one_in_a_hundred(good: int, bad: int, stops: bool) -> None:
    if not stops:
        refuse_if_bad(census_of(good, bad))
        return
    with pytest.raises(TooManyBadImages, match="1 of 99 pairs"):
        refuse_if_bad(census_of(good, bad))


def test_the_refusal_names_count_share_and_three_files() -> None:
    with pytest.raises(TooManyBadImages) as caught:
        refuse_if_bad(census_of(6, 4))
    text = str(caught.value)
    assert "4 of 10 pairs (40.0%)" in text
    assert all(f"bad{n}.jpg: the file is empty" in text for n in range(3))
    assert "bad3" not in text
    refuse_if_bad(census_of(6, 4), limit=0.4)


def test_noncam_policies() -> None:
    entries = [
        entry("COD10K-CAM-1-Aquatic-1-BatFish-2", 0.2),
        entry("COD10K-NonCAM-5-Background-1-Sky-12", 0.3),
        entry("camourflage_00004", 0.0),
        entry("camourflage_00005", 1e-6),
    ]
    kept, dropped = apply_noncam(entries, "drop")
    assert kept == (entries[0], entries[3])
    assert dropped == (entries[1], entries[2])
    assert apply_noncam(entries, "negatives") == (tuple(entries), ())
    with pytest.raises(DataError, match="--noncam"):
        apply_noncam(entries[1:3], "drop")
    with pytest.raises(SettingsError, match="--noncam"):
        apply_noncam(entries, "keep")
