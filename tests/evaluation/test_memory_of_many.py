"""What is held of each image: bytes, between some thousands and more of them."""

import gc
import os
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.data.audit.facts_table import FactsTable
from decamo.data.audit.finding_table import FindingTable
from decamo.data.audit.findings import Finding
from decamo.data.audit.look import FileFacts
from decamo.data.fingerprints import Print, alike
from decamo.data.layouts import find_pairs
from decamo.evaluation import rule_sets, sets_of_pairs
from decamo.evaluation.convention import NonCam
from decamo.evaluation.predictions import match_maps
from decamo.storage.spilled import Picked

_NAMES = 400_000
FEW, MANY = 1500, 3000  # as many as all that is kept of some is full of
JUST_FULL = 1020, 1640  # for work that takes a while and little of a constant size
_IN_A_FOLDER = 250  # a folder's names are held while it is listed


def many_files(root: Path, count: int) -> Path:
    """A set whose files are links to one image, one mask and one map."""
    form = np.zeros((8, 8), np.uint8)
    form[2:5, 2:6] = 255
    for folder in ("set/Imgs", "set/GT", "maps"):
        first = root / f"{folder.replace('/', '-')}.png"
        first.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(form).save(first)
        for number in range(count):
            place = root / folder / f"part-{number // _IN_A_FOLDER:03}"
            place.mkdir(parents=True, exist_ok=True)
            os.link(first, place / f"{number:07}.png")
    return root


def held_of_each(work: Callable[[int], object], counts: tuple[int, int] = (FEW, MANY)) -> float:
    """Bytes at the peak of some work for each of the images that are more."""
    names = [sys.intern(f"name-{n}") for n in range(_NAMES)]
    del names  # the interpreter's table of names stays that large; else it grows by leaps
    few, many = counts
    work(few)  # what is loaded once
    peaks = []
    for count in counts:
        gc.collect()
        tracemalloc.start()
        kept = work(count)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        del kept
    return (peaks[1] - peaks[0]) / (many - few)


@pytest.mark.long
def test_what_is_scored_takes_some_bytes_an_image(tmp_path: Path) -> None:
    roots = {n: many_files(tmp_path / str(n), n) for n in JUST_FULL}

    def work(count: int) -> object:
        root = roots[count]
        sets = sets_of_pairs(find_pairs([root / "set"], "test").pairs)
        (cases,) = rule_sets(sets).sets
        how = {"alone": True, "missing": "error", "noncam": NonCam.NEGATIVES}
        found = match_maps("m", root / "maps", cases, **how)  # type: ignore[arg-type]
        assert sum(1 for path in found.maps if path) == len(cases.cases) == count
        return cases, found

    assert held_of_each(work, JUST_FULL) < 250


@pytest.mark.long
@pytest.mark.parametrize("seed", [0])
def test_copies_are_looked_for_in_some_bytes_an_image(seed: int) -> None:
    def work(count: int) -> object:
        def one(number: int) -> Print:
            random = np.random.Generator(np.random.Philox([seed, number]))
            return Print(random.bytes(72), random.bytes(1024), 1.0)

        return alike(Picked.each(range(count), one))

    assert held_of_each(work) < 40


@pytest.mark.long
def test_facts_and_findings_lie_on_disk() -> None:
    def work(count: int) -> object:
        facts = FactsTable()
        facts.list((f"/somewhere/set/image-{n:07}.png", "image") for n in range(count))
        for path, role in facts.pending():
            facts.put(FileFacts(path, role, thumb="ab" * 1024, shown=(8, 8)))
        table = FindingTable(
            Finding("tiny", Path(f"/somewhere/set/{n}.png"), "8 x 8 px") for n in range(count)
        )
        assert sum(1 for _ in facts.each()) == len(table) == count
        return facts, table

    assert held_of_each(work) < 20
