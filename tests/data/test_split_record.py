from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from decamo.data.census import Entry
from decamo.data.fingerprints import fingerprint_of
from decamo.data.holdout import Split, hold_out
from decamo.data.pairs import Pair
from decamo.data.split_record import Followed, SplitRecord, follow, record_of
from decamo.errors import DataError
from tests.data.test_fingerprints import recompressed, smooth

PICTURES = [smooth(n) for n in range(40)]
PRINTS = [fingerprint_of(picture) for picture in PICTURES]


def entry(number: int, dataset: str = "Set", name: str = "x{}", folder: str = "/data") -> Entry:
    stem = name.format(number)
    pair = Pair(Path(folder, f"{stem}.jpg"), Path(folder, f"{stem}.png"), stem, dataset, "train")
    return Entry(pair, 240, 320, 0.1, f"image{number}", f"mask{number}", PRINTS[number])


FIRST = [entry(n) for n in range(30)]
SPLIT = hold_out(FIRST, 0.2, ())
RECORD = record_of(SPLIT)


def now(entries: list[Entry], fraction: float = 0.2, groups: list[list[str]] | None = None
        ) -> Followed:  # fmt: skip
    return follow(entries, RECORD, fraction, before=0.2, groups=groups or [])


def numbers(entries: tuple[Entry, ...]) -> list[int]:
    return [int(e.image_digest.removeprefix("image").removesuffix("b")) for e in entries]


TRAINED, HELD = set(numbers(SPLIT.train)), set(numbers(SPLIT.val))

SAME: dict[str, Callable[[], list[Entry]]] = {
    "nothing happened": lambda: FIRST,
    "another order": lambda: FIRST[::-1],
    "mounted elsewhere": lambda: [entry(n, folder="/kaggle/input") for n in range(30)],
    "the set is renamed": lambda: [entry(n, "b") for n in range(30)],
    "inner folders are renamed": lambda: [entry(n, name="frogs/x{}") for n in range(30)],
    "files are numbered anew": lambda: [entry(n, name=f"img_{29 - n:03d}_{{}}") for n in range(30)],
    "parted into two sets": lambda: [entry(n, "A" if n % 3 else "B") for n in range(30)],
    "names are swapped": lambda: [
        replace(entry(n), pair=entry((n + 1) % 30).pair) for n in range(30)],
}  # fmt: skip


@pytest.mark.parametrize("kind", SAME)
def test_names_and_places_change_neither_side_nor_order_nor_key(kind: str) -> None:
    found = now(SAME[kind]())
    for side, before in ((found.split.train, SPLIT.train), (found.split.val, SPLIT.val)):
        assert numbers(side) == numbers(before)
        assert [e.pair.key for e in side] == [e.pair.key for e in before]
    assert found.same
    assert found.record == RECORD
    assert record_of(found.split).content == RECORD.content
    assert not any("changed since" in line for line in found.lines)


def test_what_was_renamed_is_said() -> None:
    (line,) = now(SAME["the set is renamed"]()).lines
    assert line == "the images are those of the checkpoint: Set is now b"


def saved_anew(number: int, **how: str) -> Entry:
    found = fingerprint_of(recompressed(PICTURES[number], 60))
    return replace(entry(number, **how), image_digest=f"image{number}b", print=found)


CHANGES: dict[str, tuple[Callable[[], list[Entry]], str, bool]] = {
    "a few more": (lambda: [*FIRST, entry(30), entry(31)], "2 new", True),
    "many more": (lambda: [entry(n) for n in range(40)], "10 new; 2 of the new", False),
    "another set beside": (
        lambda: [*FIRST, *(entry(n, "Other") for n in range(30, 40))], "10 new", False),
    "new ones under old names": (
        lambda: [*(entry(n, "Old") for n in range(30)),
                 *(replace(entry(n), pair=entry(n - 30).pair) for n in range(30, 40))],
        "10 new", False),
    "some are gone": (lambda: FIRST[3:], "3 gone", not HELD & {0, 1, 2}),
    "held-out ones are gone": (
        lambda: [e for n, e in enumerate(FIRST) if n != min(HELD)], "1 gone", False),
    "all saved anew": (lambda: [saved_anew(n) for n in range(30)], "30 saved anew", False),
    "all saved anew elsewhere": (
        lambda: [saved_anew(n, dataset="png") for n in range(30)], "30 saved anew", False),
    "saved anew and renamed": (
        lambda: [saved_anew(n, name="frame-{}") for n in range(30)], "30 saved anew", False),
    "a trained mask drawn anew": (
        lambda: [replace(e, mask_digest="b") if n == min(TRAINED) else e
                 for n, e in enumerate(FIRST)], "1 with another mask", True),
    "a held-out mask drawn anew": (
        lambda: [replace(e, mask_digest="b") if n == min(HELD) else e
                 for n, e in enumerate(FIRST)], "1 with another mask", False),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGES)
def test_no_image_that_has_trained_is_held_out_whatever_changed(kind: str) -> None:
    make, said, same = CHANGES[kind]
    found = now(make())
    train, val = set(numbers(found.split.train)), set(numbers(found.split.val))
    assert not val & TRAINED
    assert not train & HELD
    assert train | val == set(numbers(tuple(make())))
    assert said in found.lines[0]
    assert "none that has trained is held out" in found.lines[0]
    assert found.same is same
    keys = [e.pair.key for e in (*found.split.train, *found.split.val)]
    assert len(set(keys)) == len(keys)
    assert found.record.content != RECORD.content
    again = follow(make(), found.record, 0.2, before=0.2)
    assert again.split == found.split
    assert again.same
    assert not any("changed since" in line for line in again.lines)


def test_what_went_and_comes_back_is_still_known() -> None:
    gone = now([e for n, e in enumerate(FIRST) if n not in (min(TRAINED), min(HELD))])
    back = follow(FIRST, gone.record, 0.2, before=0.2)
    assert set(numbers(back.split.val)) == HELD
    assert set(numbers(back.split.train)) == TRAINED
    assert "2 back" in back.lines[0]
    assert not back.same


def test_a_smaller_share_frees_images_and_a_larger_one_takes_none() -> None:
    fewer = now(FIRST, 0.1)
    assert set(numbers(fewer.split.val)) < HELD
    assert len(fewer.split.val) == 3
    assert numbers(fewer.split.train)[: len(TRAINED)] == numbers(SPLIT.train)
    more = now(FIRST, 0.5)
    assert set(numbers(more.split.val)) == HELD
    assert "--val-fraction 0.2 -> 0.5 holds out no image that trained" in more.lines


def test_neighbours_of_known_images_go_to_their_side() -> None:
    entries = [entry(n) for n in range(36)]
    groups = [[f"Set/x{min(TRAINED)}", "Set/x30"], [f"Set/x{min(HELD)}", "Set/x31"],
              [f"Set/x{max(HELD)}", f"Set/x{max(TRAINED)}", "Set/x32"]]  # fmt: skip
    found = now(entries, groups=groups)
    train, val = numbers(found.split.train), numbers(found.split.val)
    assert {30, 32} <= set(train)
    assert 31 in val


def test_another_data_set_altogether_is_split_as_a_new_run_would() -> None:
    other = [entry(n, "Other", "y{}") for n in range(30, 40)]
    found = now(other)
    assert numbers(found.split.val) == numbers(hold_out(other, 0.2, ()).val)
    assert "10 new, 30 gone" in found.lines[0]


def test_nothing_left_to_hold_out_or_to_train_is_refused() -> None:
    with pytest.raises(DataError, match="what it held out is gone"):
        now([e for n, e in enumerate(FIRST) if n in TRAINED])
    with pytest.raises(DataError, match="what trained is gone"):
        now([e for n, e in enumerate(FIRST) if n in HELD])


def test_equal_files_stay_on_the_sides_that_they_have() -> None:
    twins = [replace(FIRST[n], image_digest="same", mask_digest="same") for n in range(4)]
    split = Split((twins[0], twins[1], FIRST[9]), (twins[2], twins[3]))
    found = follow([*twins, FIRST[9]], record_of(split), 0.4, before=0.4)
    assert [e.pair.stem for e in found.split.val] == ["x2", "x3"]


def test_a_record_goes_through_plain_values() -> None:
    record = now(FIRST[3:]).record
    plain = record.to_plain()
    assert SplitRecord.from_plain(plain) == record
    assert set(plain["side"]) <= set("tThH")
    assert all(isinstance(value, str) for value in plain["image"])
    assert np.mean([len(look) for look in plain["look"]]) == 16
