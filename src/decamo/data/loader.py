"""Samples -> batches, in an order that depends on (seed, epoch) alone."""

import atexit
import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from decamo.data.dataset import CamouflageDataset, Sample
from decamo.data.draws import ORDER, words
from decamo.errors import DecamoError
from decamo.system import ignore_stop_signals

__all__ = ["Batch", "EpochSampler", "make_loader", "micro_batches_per_epoch", "permutation"]


@dataclass(frozen=True)
class Batch:
    """Samples that go through the network together; ``B`` may be 0 on a rank with no share.

    Attributes:
        image: uint8 ``[B, 3, S, S]``, RGB.
        mask: uint8 ``[B, 1, S, S]``: 1 object, 0 ground; 255 neither, where the data set has void.
        keys: the pairs', in the same order.
    """

    image: Tensor
    mask: Tensor
    keys: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self.keys)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """The batch on another device; asynchronous where pinned and asked for."""
        return Batch(
            self.image.to(device, non_blocking=non_blocking),
            self.mask.to(device, non_blocking=non_blocking),
            self.keys,
        )

    def pin_memory(self) -> "Batch":
        """The batch in page-locked memory, from which copies to a GPU can be asynchronous."""
        return Batch(self.image.pin_memory(), self.mask.pin_memory(), self.keys)


def permutation(seed: int, epoch: int, count: int) -> list[int]:
    """The order of ``count`` samples in an epoch: the same on every machine and for ever.

    Sorting random 64-bit words gives a uniform permutation (but for ties, of probability below
    ``count**2 / 2**65``) without leaning on a library's shuffle, which may change.
    """
    return np.argsort(words(ORDER, seed, epoch, 0, count), kind="stable").tolist()


def micro_batches_per_epoch(count: int, micro_batch: int, world: int = 1) -> int:
    """Global micro-batches in an epoch of ``count`` samples; the last may be short."""
    return -(-count // (micro_batch * world))


class EpochSampler(Sampler[list[tuple[int, int]]]):
    """Addresses (epoch, index) for one rank, micro-batch by micro-batch, over many epochs.

    Each epoch is a permutation cut into global micro-batches of ``micro_batch * world`` samples,
    of which rank ``r`` takes the ``r``-th contiguous share. The epoch's last may be short; it is
    shared out as evenly as it can be, and a share may be the empty list. Nothing is dropped and
    nothing doubled, so that all ranks take the same number of steps.

    Args:
        count: samples in the data set.
        seed: fixes the order.
        first_epoch: first epoch to yield.
        last_epoch: last epoch to yield, included.
        micro_batch: samples on each rank.
        rank: this process, from 0.
        world: number of processes.
        skip: global micro-batches of ``first_epoch`` that were done before.

    Raises:
        ValueError: the numbers contradict each other.
    """

    def __init__(
        self,
        count: int,
        *,
        seed: int,
        first_epoch: int,
        last_epoch: int,
        micro_batch: int,
        rank: int = 0,
        world: int = 1,
        skip: int = 0,
    ) -> None:
        if count < 1 or micro_batch < 1 or not 0 <= rank < world:
            raise ValueError(f"{count=}, {micro_batch=}, {rank=}, {world=}")
        self.per_epoch = micro_batches_per_epoch(count, micro_batch, world)
        if last_epoch < first_epoch or not 0 <= skip <= self.per_epoch:
            raise ValueError(f"{first_epoch=}, {last_epoch=}, {skip=} of {self.per_epoch}")
        self.count = count
        self.seed = seed
        self.epochs = range(first_epoch, last_epoch + 1)
        self.micro_batch = micro_batch
        self.rank = rank
        self.world = world
        self.skip = skip

    def __len__(self) -> int:
        return len(self.epochs) * self.per_epoch - self.skip

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        step = self.micro_batch * self.world
        for epoch in self.epochs:
            order = permutation(self.seed, epoch, self.count)
            done = self.skip if epoch == self.epochs.start else 0
            for start in range(done * step, self.count, step):
                together = order[start : start + step]
                low = self.rank * len(together) // self.world
                high = (self.rank + 1) * len(together) // self.world
                yield [(epoch, index) for index in together[low:high]]


def make_loader(
    dataset: CamouflageDataset, sampler: EpochSampler, *, num_workers: int, pin_memory: bool
) -> DataLoader[Batch]:
    """One loader for all epochs of a sampler; its workers live as long.

    The batches do not depend on ``num_workers``, and no global generator is touched. Workers
    compute on one thread each and ignore signals to stop: the main process ends them when it
    has saved.

    Args:
        dataset: what to read.
        sampler: in which order.
        num_workers: processes that read; 0 reads in this one.
        pin_memory: put batches into page-locked memory (only with a GPU).

    Returns:
        An iterable of :class:`Batch`. Iterating raises the data set's own errors, such as
        UnreadableImage, as they are, whichever process met them.
    """
    return _Loader(
        _Guarded(dataset),
        batch_sampler=sampler,
        num_workers=num_workers,
        collate_fn=_Collate(dataset.size),
        pin_memory=pin_memory,
        worker_init_fn=_quiet_worker,
        persistent_workers=num_workers > 0,
        # without a generator of its own, every iteration would draw from torch's global one
        generator=torch.Generator().manual_seed(0),
    )


class _Loader(DataLoader[Any]):
    def check_worker_number_rationality(self) -> None:
        """Say nothing: torch would warn, twice a stage, what the command says once."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        for batch in super().__iter__():
            if isinstance(batch, DecamoError):
                raise batch
            yield batch


class _Guarded(Dataset[Any]):
    """Hands over errors as values: torch would turn one raised in a worker into a traceback."""

    def __init__(self, dataset: CamouflageDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, ats: list[tuple[int, int]]) -> list[Sample] | DecamoError:
        try:
            return [self.dataset[at] for at in ats]
        except DecamoError as error:
            return error


@dataclass(frozen=True)
class _Collate:
    size: int

    def __call__(self, samples: list[Sample] | DecamoError) -> Batch | DecamoError:
        if isinstance(samples, DecamoError):
            return samples
        if not samples:
            nothing = torch.empty(0, 3, self.size, self.size, dtype=torch.uint8)
            return Batch(nothing, nothing[:, :1], ())
        return Batch(
            torch.stack([sample.image for sample in samples]),
            torch.stack([sample.mask for sample in samples]),
            tuple(sample.key for sample in samples),
        )


def _quiet_worker(_: int) -> None:
    # Ctrl-C and a scheduler's SIGTERM reach the whole process group; a worker that died of one
    # would keep the main process from saving. It ends them itself, and they end when it is gone.
    # multiprocessing asks by SIGTERM too, at the end of a process whose loader somebody still
    # holds, and would then wait without end: see _end_workers.
    ignore_stop_signals()
    torch.set_num_threads(1)


@atexit.register
def _end_workers() -> None:
    """Kill what still reads for a process that is over; those of a released loader have ended."""
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()
