"""Work in threads behind a source: order, bounds, errors in their place."""

import threading
from collections.abc import Iterator

import pytest

from decamo.data.in_threads import in_threads


def test_results_come_in_order_whoever_is_done_first() -> None:
    later = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert later.wait(10)
        else:
            later.set()
        return number * number

    assert list(in_threads(work, range(20), threads=2, behind=3)) == [n * n for n in range(20)]


@pytest.mark.parametrize("behind", [1, 3])
def test_no_more_than_so_many_are_taken_from_the_source(behind: int) -> None:
    taken, given = 0, 0

    def source() -> Iterator[int]:
        nonlocal taken
        for number in range(30):
            taken += 1
            assert taken - given <= behind
            yield number

    for given, number in enumerate(
        in_threads(lambda n: n, source(), threads=2, behind=behind), start=1
    ):
        assert number == given - 1
    assert (taken, given) == (30, 30)


def test_an_error_of_the_work_comes_in_its_place() -> None:
    def work(number: int) -> int:
        if number == 2:
            raise OSError("disk full")
        return number

    found = in_threads(work, range(9), threads=2, behind=4)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(OSError, match="disk full"):
        next(found)


def test_what_was_given_before_the_source_broke_is_done() -> None:
    def source() -> Iterator[int]:
        yield from range(3)
        raise RuntimeError("no memory")

    found = in_threads(lambda n: n, source(), threads=2, behind=4)
    assert [next(found), next(found), next(found)] == [0, 1, 2]
    with pytest.raises(RuntimeError, match="no memory"):
        next(found)


def test_whoever_leaves_early_leaves_no_thread_behind() -> None:
    found = in_threads(lambda n: n, range(100), threads=2, behind=4)
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name.startswith("decamo")]
