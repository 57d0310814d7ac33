from dataclasses import replace
from pathlib import Path

import pytest

from decamo.data.audit.findings import Shown, copy_findings, find_copies
from decamo.data.audit.look import FileFacts
from decamo.data.fingerprints import fingerprint_of
from tests.data.audit.malformed import photo


def shown(name: str, seed: int, split: str = "train", dataset: str = "A") -> Shown:
    found = fingerprint_of(photo(seed))
    facts = FileFacts(
        name, "image", sha256=name, pixels=str(seed), shown=(48, 64), grid=found.grid.hex(),
        thumb=found.thumb.hex(),
    )  # fmt: skip
    return Shown(facts, dataset, split)


@pytest.mark.parametrize(
    ("left", "right", "leak"),
    [
        ("train", "test", True), ("train", "val", True), ("val", "test", True),
        ("train", "train", False), ("test", "test", False), ("any", "test", False),
        ("train", "any", False),
    ],
)  # fmt: skip
def test_a_leak_joins_two_different_splits(left: str, right: str, leak: bool) -> None:
    copies = find_copies([shown("a", 1, left), shown("b", 1, right, "B"), shown("c", 2, right)])
    assert [(c.left, c.right, c.how, c.leak) for c in copies] == [
        (Path("a"), Path("b"), "same pixels", leak)
    ]
    (finding,) = copy_findings(copies)
    assert finding.kind == ("leak" if leak else "copy")
    assert f"(A {left}) of b (B {right})" in finding.detail


def test_same_bytes_are_told_from_same_pixels() -> None:
    a = shown("a", 1)
    twin = Shown(replace(a.facts, path="b"), "B", "test")
    assert find_copies([a, twin])[0].how == "same bytes"


def test_near_copies_carry_their_measures() -> None:
    a, b = shown("a", 1), shown("b", 1, "test")
    b = Shown(replace(b.facts, pixels="other"), "A", "test")
    (copy,) = find_copies([a, b])
    assert (copy.how, copy.bits, copy.leak) == ("near copy", 0, True)
    assert copy.correlation == pytest.approx(1)
    assert "0 of 64 hash bits" in copy_findings([copy])[0].detail


def test_a_picture_copied_many_times_does_not_square_the_list() -> None:
    assert len(find_copies([shown(str(n), 1) for n in range(5)])) == 10
    many = [shown(str(n), 1, "test" if n == 29 else "train") for n in range(30)]
    copies = find_copies(many)
    assert len(copies) == 29
    assert [c.leak for c in copies] == [True] + [False] * 28


def test_broken_images_are_left_out() -> None:
    a, b = shown("a", 1), shown("b", 1)
    assert find_copies([a, Shown(replace(b.facts, fault="truncated"), "A", "train")]) == []
