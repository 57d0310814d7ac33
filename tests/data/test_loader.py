import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from decamo.data.dataset import Batch, EpochSampler, micro_batches_per_epoch, permutation

# Python 3.12 warns of every fork beside threads; torch's loader forks by default on Linux
pytestmark = pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")


def sampler(count: int = 7, **changes: int) -> EpochSampler:
    defaults = {"seed": 1, "first_epoch": 1, "last_epoch": 2, "micro_batch": 3}
    return EpochSampler(count, **(defaults | changes))


# ---------------------------------------------------------------- order


def test_golden_order_never_changes() -> None:
    assert permutation(0, 1, 10) == GOLDEN_1
    assert permutation(42, 87, 10) == GOLDEN_2


@given(st.integers(0, 2**63 - 1), st.integers(0, 10**6), st.integers(0, 300))
def test_an_order_is_a_permutation(seed: int, epoch: int, count: int) -> None:
    assert sorted(permutation(seed, epoch, count)) == list(range(count))


def test_epochs_and_seeds_differ_and_every_place_is_as_likely() -> None:
    orders = [permutation(seed, epoch, 6) for seed in range(40) for epoch in range(50)]
    assert len({tuple(order) for order in orders}) > 600
    counts = np.zeros((6, 6))
    for order in orders:
        counts[np.arange(6), order] += 1
    expected = len(orders) / 6
    assert ((counts - expected) ** 2 / expected).sum() < 60  # chi squared, 25 degrees: p < 1e-4


# ---------------------------------------------------------------- sampler

worlds = st.tuples(
    st.integers(1, 60), st.integers(1, 7), st.integers(1, 5), st.integers(1, 3), st.integers(0, 99)
)


@settings(max_examples=200, deadline=None)
@given(worlds)
def test_ranks_partition_each_global_micro_batch(case: tuple[int, int, int, int, int]) -> None:
    count, micro, world, epochs, seed = case
    ranks = [
        list(
            EpochSampler(
                count,
                seed=seed,
                first_epoch=4,
                last_epoch=3 + epochs,
                micro_batch=micro,
                rank=rank,
                world=world,
            )
        )
        for rank in range(world)
    ]
    per_epoch = micro_batches_per_epoch(count, micro, world)
    assert {len(batches) for batches in ranks} == {epochs * per_epoch}
    stream = []
    for shares in zip(*ranks, strict=True):
        sizes = [len(share) for share in shares]
        assert max(sizes) <= micro
        assert max(sizes) - min(sizes) <= 1
        stream += [at for share in shares for at in share]
    want = [(e, i) for e in range(4, 4 + epochs) for i in permutation(seed, e, count)]
    assert stream == want


@settings(max_examples=100, deadline=None)
@given(worlds, st.data())
def test_skip_leaves_out_a_prefix(
    case: tuple[int, int, int, int, int], pick: st.DataObject
) -> None:
    count, micro, world, epochs, seed = case
    skip = pick.draw(st.integers(0, micro_batches_per_epoch(count, micro, world)))
    rank = pick.draw(st.integers(0, world - 1))

    def batches(skipped: int) -> EpochSampler:
        return EpochSampler(
            count,
            seed=seed,
            first_epoch=1,
            last_epoch=epochs,
            micro_batch=micro,
            rank=rank,
            world=world,
            skip=skipped,
        )

    assert list(batches(skip)) == list(batches(0))[skip:]
    assert len(batches(skip)) == len(list(batches(skip)))


def test_a_share_may_be_empty() -> None:
    shares = [list(sampler(5, last_epoch=1, micro_batch=1, rank=r, world=4)) for r in range(4)]
    assert [len(share[1]) for share in shares].count(0) == 3


@pytest.mark.parametrize(
    "changes",
    [{"count": 0}, {"micro_batch": 0}, {"rank": 1}, {"rank": -1}, {"skip": 4}, {"last_epoch": 0}],
)
def test_numbers_that_contradict_each_other_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="="):
        sampler(**changes)


def test_a_batch_moves_as_a_whole() -> None:
    batch = Batch(torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 4, 4), ("a", "b"))
    moved = batch.to("meta", non_blocking=True)
    assert moved.image.device.type == moved.mask.device.type == "meta"
    assert moved.keys == ("a", "b")


GOLDEN_1 = [4, 3, 0, 1, 5, 9, 6, 2, 8, 7]
GOLDEN_2 = [3, 2, 1, 9, 6, 4, 8, 0, 7, 5]


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_other_device_counts_share_out_the_planned_micro_batches(world: int) -> None:
    """Whoever takes a share, the planned two's micro-batches are whole and in their order."""

    def dealt(count: int, planned: int) -> list[list[tuple[int, int]]]:
        shares = [
            list(EpochSampler(11, seed=3, first_epoch=1, last_epoch=2, micro_batch=2, rank=rank,
                              world=count, planned=planned, skip=1))
            for rank in range(count)
        ]  # fmt: skip
        return [[at for part in parts for at in part] for parts in zip(*shares, strict=True)]

    assert dealt(world, 2) == dealt(2, 0)
