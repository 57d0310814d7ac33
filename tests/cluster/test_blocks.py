"""Blocks under way, against a plain list."""

import random
from collections.abc import Iterator

import pytest

from decamo.cluster.blocks import Blocks
from decamo.cluster.worker_crew import block_size, workers_of
from decamo.errors import SettingsError


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("size", [1, 3, 7])
def test_each_item_comes_once_whoever_is_late_or_dies(ordered: bool, size: int) -> None:
    draw = random.Random(size)
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1, 41):
            taken.append(item)
            yield item

    blocks: Blocks[int, int] = Blocks(items(), size, ordered, most=4)
    under_way: list[int] = []
    out: list[int] = []
    while not blocks.over:
        while (number := blocks.take()) is not None:
            under_way.append(number)
        assert len(blocks.held) <= 4
        assert len(taken) <= len(out) + 4 * size
        number = under_way.pop(draw.randrange(len(under_way)))
        if draw.random() < 0.3:
            blocks.again(number)
        else:
            blocks.finish(number, [-item for item in blocks.held[number]])
        out += blocks.ready()
    whole = [-item for item in range(1, 41)]
    assert (out if ordered else sorted(out, reverse=True)) == whole


def test_a_block_that_is_done_again_goes_before_new_ones() -> None:
    blocks: Blocks[int, int] = Blocks(range(9), 2, ordered=True, most=2)
    assert (blocks.take(), blocks.take(), blocks.take()) == (0, 1, None)
    blocks.again(1)
    blocks.again(0)
    assert (blocks.take(), blocks.take(), blocks.take()) == (0, 1, None)
    assert [blocks.blame(0), blocks.blame(0), blocks.blame(1)] == [1, 2, 1]


@pytest.mark.parametrize(("total", "workers", "multiple"), [(0, 1, 1), (5, 2, 1), (2000, 3, 6)])
def test_the_size_of_a_block(total: int, workers: int, multiple: int) -> None:
    size = block_size(total, workers, multiple)
    assert size % multiple == 0
    assert multiple <= size <= max(8, multiple)
    assert -(-total // size) >= min(total // multiple, workers)


def test_flags_of_workers_that_cannot_be_meant() -> None:
    assert workers_of(None, count=0) is None
    with pytest.raises(SettingsError, match="--gpus-per-worker: there is no --on; say where"):
        workers_of("", gpus=1)
    with pytest.raises(SettingsError, match="--workers: got 0"):
        workers_of("ray", count=0)
    with pytest.raises(SettingsError, match="--cpus-per-worker: got -1"):
        workers_of("ray", cpus=-1)
