from dataclasses import replace
from pathlib import Path

import pytest

from decamo.data.census import Entry
from decamo.data.earlier_splits import earlier_record
from decamo.data.holdout import fingerprint, hold_out
from decamo.data.pairs import Pair
from decamo.data.split_record import SplitRecord, follow


def entry(number: int, place: str, dataset: str, share: float = 0.1) -> Entry:
    pair = Pair(
        Path(place, "Imgs", f"{number}.jpg"), Path(place, "GT", f"{number}.png"),
        str(number), dataset, "train",
    )  # fmt: skip
    return Entry(pair, 100 + number, 50, share, f"{dataset[:1]}{number}", "m")


def cache_of(entries: list[Entry], *, version: int) -> dict[str, object]:
    held: dict[str, object] = {}
    for e in entries:
        name = f"{e.pair.image}|{e.pair.mask}"
        old: object = [1, 2, 3, 4, e.height, e.width, e.foreground]
        held[name] = old if version == 1 else {"size": [e.height, e.width], "foreground": 0.1}
    return held


THEN = [entry(n, "/a/Set/TrainDataset", "Set") for n in range(20)]
SPLIT = hold_out(THEN, 0.2, ())
PRINT = fingerprint(e.pair for e in SPLIT.val)


def held(record: SplitRecord) -> list[str]:
    return [known.key for known in record.images if known.held]


def test_the_present_names_lead_to_the_print() -> None:
    record, proven = earlier_record(THEN, 0.2, PRINT, seen={}, roots=["a"], noncam="drop")
    assert proven
    assert held(record) == [e.pair.key for e in SPLIT.val]


@pytest.mark.parametrize("root", ["/kaggle/input/Set", "data/Set/TrainDataset"])
def test_a_single_set_is_known_by_the_path_that_the_run_was_given(root: str) -> None:
    now = [entry(n, "/b", "renamed") for n in range(20)]
    record, proven = earlier_record(now, 0.2, PRINT, seen={}, roots=[root], noncam="drop")
    assert proven
    assert held(record) == [e.pair.key for e in SPLIT.val]
    assert follow(now, record, 0.2, before=0.2).same


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("roots", [["/a"], ["a"], ["elsewhere"]])
def test_a_renamed_set_is_known_by_what_the_census_saw(version: int, roots: list[str]) -> None:
    now = [entry(n, "/b", "renamed") for n in range(20)]
    seen = cache_of(THEN, version=version)
    record, proven = earlier_record(now, 0.2, PRINT, seen=seen, roots=roots, noncam="drop")
    assert proven
    found = follow(now, record, 0.2, before=0.2)
    assert [e.pair.key for e in found.split.val] == [e.pair.key for e in SPLIT.val]
    assert [e.pair.key for e in found.split.train] == [e.pair.key for e in SPLIT.train]
    assert found.same


def test_of_several_sets_those_of_the_run_count() -> None:
    others = [entry(n, "/c/Imgs2", "Other") for n in range(50)]
    now = [entry(n, "/b", "renamed") for n in range(20)]
    seen = cache_of([*THEN, *others], version=1)
    _, proven = earlier_record(now, 0.2, PRINT, seen=seen, roots=["/a"], noncam="drop")
    assert proven


def test_data_that_grew_still_tells_what_trained() -> None:
    now = [entry(n, "/a/Set/TrainDataset", "Set") for n in range(40)]
    seen = cache_of(THEN, version=1)
    record, proven = earlier_record(now, 0.2, PRINT, seen=seen, roots=["/a"], noncam="drop")
    assert proven
    found = follow(now, record, 0.2, before=0.2)
    trained = {e.pair.key for e in SPLIT.train}
    assert not trained & {e.pair.key for e in found.split.val}
    assert {e.pair.key for e in SPLIT.val} <= {e.pair.key for e in found.split.val}


def test_what_cannot_be_proven_is_not_claimed() -> None:
    now = [entry(n, "/b", "renamed") for n in range(20)]
    record, proven = earlier_record(now, 0.2, PRINT, seen={}, roots=["/a"], noncam="drop")
    assert not proven
    assert len(held(record)) == 4
    damaged: dict[str, object] = {"x": 3, "y|z": [1], "a|b": {"size": "no"}}
    assert not earlier_record(now, 0.2, PRINT, seen=damaged, roots=[], noncam="drop")[1]


def test_too_few_images_to_split_leave_nothing_known() -> None:
    one = [replace(THEN[0])]
    assert earlier_record(one, 0.2, PRINT, seen={}, roots=[], noncam="drop") == (
        SplitRecord(), False,
    )  # fmt: skip
