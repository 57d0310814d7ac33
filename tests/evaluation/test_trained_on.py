import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from decamo.data.census import DIGITS
from decamo.data.pairs import Pair
from decamo.data.split_record import Known, SplitRecord
from decamo.evaluation.cases import CaseSet, sets_of_pairs, trained_on


@pytest.fixture
def digest_of(tmp_path: Path) -> Callable[[str], str]:
    def made(name: str) -> str:
        (tmp_path / f"{name}.jpg").write_bytes(name.encode())
        return hashlib.sha256(name.encode()).hexdigest()[:DIGITS]

    return made


def sets(folder: Path, names: str) -> list[CaseSet]:
    return sets_of_pairs([Pair(folder / f"{n}.jpg", folder, n, "Set", "test") for n in names])


def test_images_that_trained_are_named_by_content_and_those_held_out_apart(
    tmp_path: Path, digest_of: Callable[[str], str]
) -> None:
    digests = {name: digest_of(name) for name in "abcdefg"}
    record = SplitRecord((
        *(Known(f"Old/{n}1", digests[n]) for n in "abcd"),
        Known("Old/e1", digests["e"], held=True),
        Known("Set/f"),  # the name is all that is known of it
        Known("Old/twice", digests["a"], held=True),  # elsewhere it trained
    ))  # fmt: skip
    (met,) = trained_on("net", record, sets(tmp_path, "abcdefg"))
    assert (met.trained, met.chose) == (tuple("abcdf"), ("e",))
    assert "5 of 7 images have trained this network (a, b, c, ...)" in met.line


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(SplitRecord(), id="checkpoint without a record"),
        pytest.param(SplitRecord((Known("Set/a", "0" * DIGITS),)), id="same name, other picture"),
    ],
)
def test_nothing_is_said_without_reason(
    tmp_path: Path, digest_of: Callable[[str], str], record: SplitRecord
) -> None:
    digest_of("a")
    assert trained_on("net", record, sets(tmp_path, "a")) == []


def test_those_held_out_alone_are_no_warning(
    tmp_path: Path, digest_of: Callable[[str], str]
) -> None:
    record = SplitRecord((Known("Old/x", digest_of("a"), held=True),))
    (met,) = trained_on("net", record, sets(tmp_path, "a"))
    assert met.line == ""
