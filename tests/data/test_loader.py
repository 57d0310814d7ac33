import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from decamo.data.dataset import CamouflageDataset
from decamo.data.loader import (
    Batch,
    EpochSampler,
    make_loader,
    micro_batches_per_epoch,
    permutation,
)
from decamo.data.pairs import Pair
from decamo.errors import UnreadableImage

# Python 3.12 warns of every fork beside threads; torch's loader forks by default on Linux
pytestmark = pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CamouflageDataset:
    folder = tmp_path_factory.mktemp("loader")
    rng = np.random.default_rng(0)
    pairs = []
    for number in range(7):
        image, mask = folder / f"{number}.png", folder / f"{number}m.png"
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(image)
        Image.fromarray(rng.random((20, 30)) < 0.5).save(mask)
        pairs.append(Pair(image, mask, str(number), "set", "train"))
    return CamouflageDataset(pairs, 16, seed=3, augment=True)


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


# ---------------------------------------------------------------- loader


def test_batches_do_not_depend_on_the_number_of_workers(data: CamouflageDataset) -> None:
    here = list(make_loader(data, sampler(), num_workers=0, pin_memory=False))
    there = list(make_loader(data, sampler(), num_workers=2, pin_memory=False))
    assert [batch.size for batch in here] == [3, 3, 1, 3, 3, 1]
    assert len(there) == len(here)
    for a, b in zip(here, there, strict=True):
        assert a.keys == b.keys
        assert torch.equal(a.image, b.image)
        assert torch.equal(a.mask, b.mask)
    assert here[0].image.shape == (3, 3, 16, 16)
    assert here[0].mask.shape == (3, 1, 16, 16)
    assert here[0].keys == tuple(f"set/{i}" for i in permutation(1, 1, 7)[:3])


def test_a_batch_holds_the_samples_of_its_addresses(data: CamouflageDataset) -> None:
    (first, *_) = make_loader(data, sampler(), num_workers=0, pin_memory=False)
    for row, index in enumerate(permutation(1, 1, 7)[:3]):
        assert torch.equal(first.image[row], data[1, index].image)
        assert torch.equal(first.mask[row], data[1, index].mask)


@pytest.mark.parametrize("workers", [0, 1])
def test_no_global_generator_is_touched(data: CamouflageDataset, workers: int) -> None:
    before = torch.get_rng_state()
    list(make_loader(data, sampler(), num_workers=workers, pin_memory=False))
    assert torch.equal(torch.get_rng_state(), before)


def test_an_empty_share_is_an_empty_batch(data: CamouflageDataset) -> None:
    lean = sampler(last_epoch=1, micro_batch=3, rank=0, world=2)
    *_, last = make_loader(data, lean, num_workers=0, pin_memory=False)
    assert last.size == 0
    assert last.image.shape == (0, 3, 16, 16)
    assert last.mask.shape == (0, 1, 16, 16)
    assert last.image.dtype == last.mask.dtype == torch.uint8


def test_a_batch_moves_as_a_whole() -> None:
    batch = Batch(torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 4, 4), ("a", "b"))
    moved = batch.to("meta", non_blocking=True)
    assert moved.image.device.type == moved.mask.device.type == "meta"
    assert moved.keys == ("a", "b")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_breaks_during_training_is_named(tmp_path: Path, workers: int) -> None:
    pair = Pair(tmp_path / "gone.jpg", tmp_path / "gone.png", "gone", "set", "train")
    broken = CamouflageDataset([pair], 16, seed=0, augment=True)
    loader = make_loader(broken, sampler(1), num_workers=workers, pin_memory=False)
    with pytest.raises(UnreadableImage, match=r"gone\.jpg"):
        list(loader)


class _Telling(CamouflageDataset):
    """Tells in its keys how a worker is set up, after a Ctrl-C that it gives itself."""

    def __getitem__(self, at: tuple[int, int]):  # type: ignore[no-untyped-def]  # noqa: ANN204
        os.kill(os.getpid(), signal.SIGINT)
        sample = super().__getitem__(at)
        return type(sample)(sample.image, sample.mask, str(torch.get_num_threads()))


def test_workers_survive_ctrl_c_and_use_one_thread(data: CamouflageDataset) -> None:
    telling = _Telling(data.pairs, 16, seed=0, augment=False)
    loader = make_loader(telling, sampler(), num_workers=1, pin_memory=False)
    keys = {key for batch in loader for key in batch.keys}
    assert keys == {"1"}


_HELD = """
import sys
from decamo.data.dataset import CamouflageDataset
from decamo.data.loader import EpochSampler, make_loader
from decamo.data.pairs import Pair
from pathlib import Path

image, mask = Path(sys.argv[1]), Path(sys.argv[2])
data = CamouflageDataset([Pair(image, mask, "a", "set", "train")] * 4, 16, seed=0, augment=False)
order = EpochSampler(4, seed=0, first_epoch=1, last_epoch=2, micro_batch=1)
held = iter(make_loader(data, order, num_workers=1, pin_memory=False))
next(held)
sys.modules["held"] = held  # nothing lets go of it before the interpreter is gone
print("over")
"""


def test_a_process_ends_though_its_loader_is_still_held(data: CamouflageDataset) -> None:
    pair = data.pairs[0]
    done = subprocess.run(
        [sys.executable, "-c", _HELD, str(pair.image), str(pair.mask)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "over\n")


GOLDEN_1 = [4, 3, 0, 1, 5, 9, 6, 2, 8, 7]
GOLDEN_2 = [3, 2, 1, 9, 6, 4, 8, 0, 7, 5]
