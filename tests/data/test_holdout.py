from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decamo.data.census import Entry
from decamo.data.holdout import content_fingerprint, fingerprint, hold_out
from decamo.data.pairs import Pair
from decamo.errors import DataError

SHARES = [0.0, 0.01, 0.0499, 0.05, 0.1, 0.1999, 0.2, 0.5, 1.0]


def stratum(entry: Entry) -> tuple[str, str]:
    share = entry.foreground
    if share == 0:
        return entry.pair.dataset, "empty"
    return entry.pair.dataset, "small" if share < 0.05 else "middle" if share < 0.2 else "large"


def entry(dataset: str, number: int, share: float, folder: str = "x") -> Entry:
    pair = Pair(Path(folder, f"{number}.jpg"), Path("m"), f"s{number}", dataset, "train")
    return Entry(pair, 4, 4, share)


entry_lists = st.lists(
    st.tuples(st.sampled_from("ABC"), st.integers(0, 400), st.sampled_from(SHARES)),
    min_size=2,
    max_size=120,
    unique_by=lambda row: row[:2],
).map(lambda rows: [entry(*row) for row in rows])


@settings(max_examples=150, deadline=None)
@given(entry_lists, st.floats(0.01, 0.9), st.randoms())
def test_hold_out_is_a_stratified_partition_of_no_order(
    entries: list[Entry], fraction: float, random: object
) -> None:
    total = round(len(entries) * fraction)
    total = min(max(total, 1), len(entries) - 1)  # each side gets one
    split = hold_out(entries, fraction)
    assert len(split.val) == total
    assert sorted([*split.train, *split.val], key=repr) == sorted(entries, key=repr)
    of_all, of_val = Counter(map(stratum, entries)), Counter(map(stratum, split.val))
    for name, size in of_all.items():
        assert abs(of_val[name] - size * total / len(entries)) < 1
    shuffled = list(entries)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert hold_out(shuffled, fraction) == split


def test_paths_do_not_matter() -> None:
    def held(folder: str) -> list[str]:
        entries = [entry("A", n, 0.1, folder) for n in range(50)]
        return [e.pair.key for e in hold_out(entries, 0.2).val]

    assert held("/a") == held("/elsewhere")


def test_golden_choice_never_changes() -> None:
    split = hold_out([entry("A", n, 0.1) for n in range(12)], 0.25)
    assert [e.pair.stem for e in split.val] == GOLDEN


def test_most_of_a_hold_out_stays_when_images_are_added() -> None:
    few = [entry("A", n, 0.1) for n in range(100)]
    more = few + [entry("A", n, 0.1) for n in range(100, 110)]
    before = {e.pair.key for e in hold_out(few, 0.2).val}
    after = {e.pair.key for e in hold_out(more, 0.2).val}
    assert len(before & after) >= 15


@pytest.mark.parametrize(("count", "fraction"), [(4, 0), (3, 1.0), (1, 0.5), (0, 0.5)])
def test_neither_side_may_be_empty(count: int, fraction: float) -> None:
    with pytest.raises(DataError, match="--val-fraction"):
        hold_out([entry("A", n, 0.1) for n in range(count)], fraction)


@pytest.mark.parametrize(
    ("count", "fraction", "held"), [(4, 0.1, 1), (2, 0.1, 1), (3, 0.9, 2), (2, 0.9, 1), (5, 0.1, 1)]
)
def test_of_few_images_each_side_gets_one(count: int, fraction: float, held: int) -> None:
    split = hold_out([entry("A", n, 0.1) for n in range(count)], fraction)
    assert (len(split.train), len(split.val)) == (count - held, held)


def test_fingerprint_names_the_keys_alone() -> None:
    pairs = [entry("A", n, 0.1).pair for n in range(9)]
    moved = [replace(pair, image=Path("/y")) for pair in reversed(pairs)]
    assert fingerprint(pairs) == fingerprint(moved)
    assert fingerprint(pairs) != fingerprint(pairs[:-1])
    assert fingerprint(pairs) != fingerprint([replace(p, dataset="B") for p in pairs])
    assert len(fingerprint(pairs)) == 12
    assert int(fingerprint([]), 16) >= 0


def test_content_alone_names_the_same_images() -> None:
    entries = [replace(entry("A", n, 0.1), image_digest=f"i{n}", mask_digest="m") for n in range(9)]
    moved = [replace(e, pair=replace(e.pair, dataset="B", stem=f"z{n}"))
             for n, e in enumerate(reversed(entries))]  # fmt: skip
    assert content_fingerprint(entries) == content_fingerprint(moved)
    assert content_fingerprint(entries) != content_fingerprint(entries[1:])
    redrawn = [replace(entries[0], mask_digest="other"), *entries[1:]]
    assert content_fingerprint(entries) != content_fingerprint(redrawn)


group_lists = st.lists(st.integers(0, 9), min_size=120, max_size=120)


@settings(max_examples=150, deadline=None)
@given(entry_lists, st.floats(0.05, 0.9), group_lists)
def test_no_group_is_parted_and_groups_that_are_whole_change_nothing(
    entries: list[Entry], fraction: float, numbers: list[int]
) -> None:
    if not 0 < round(len(entries) * fraction) < len(entries):
        return
    groups = [
        [e.pair.key for e, n in zip(entries, numbers, strict=False) if n == number]
        for number in range(1, 6)  # the others are alone
    ]
    before = {e.pair.key for e in hold_out(entries, fraction, ()).val}
    split = hold_out(entries, fraction, groups)
    after = {e.pair.key for e in split.val}
    assert sorted([*split.train, *split.val], key=repr) == sorted(entries, key=repr)
    if not any(0 < len(before & set(group)) < len(group) for group in groups):
        assert after == before
    elif max(map(len, groups)) < len(entries):
        assert not any(0 < len(after & set(group)) < len(group) for group in groups)
    assert hold_out(list(reversed(entries)), fraction, groups) == split


def test_a_group_that_would_be_parted_comes_whole_or_not_at_all() -> None:
    entries = [entry("A", n, 0.1) for n in range(100)]
    plain = [e.pair.key for e in hold_out(entries, 0.2, ()).val]
    others = [e.pair.key for e in hold_out(entries, 0.2, ()).train]
    small, large = [plain[0], others[0]], [plain[1], *others[1:60]]
    held = {e.pair.key for e in hold_out(entries, 0.2, [small, large]).val}
    assert len(held) == 20
    assert not held.intersection(large)
    assert len(held.intersection(small)) in (0, 2)
    assert len(held.intersection(plain)) >= 17


def test_of_videos_alone_one_is_held_out_though_it_is_too_long() -> None:
    entries = [entry("A", n, 0.1) for n in range(60)]
    groups = [[e.pair.key for e in entries[a : a + 15]] for a in range(0, 60, 15)]
    held = {e.pair.key for e in hold_out(entries, 0.1, groups).val}
    assert held in [set(group) for group in groups]


def test_a_single_video_is_parted_for_want_of_another() -> None:
    entries = [entry("A", n, 0.1) for n in range(20)]
    everything = [e.pair.key for e in entries]
    assert hold_out(entries, 0.1, [everything]) == hold_out(entries, 0.1, ())


GOLDEN = ["s5", "s7", "s8"]
