"""Pairs -> samples -> batches, in an order that depends on (seed, epoch) alone."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from decamo.data.arena import Arena
from decamo.data.augment import Augmentation, apply, apply_stored, draw_augmentation
from decamo.data.cache.sample_sources import SampleSource
from decamo.data.draws import ORDER, words
from decamo.data.kept_memory import keep_freed_memory
from decamo.data.pairs import Pair
from decamo.data.reading import read_labelled
from decamo.data.rules import VOID
from decamo.errors import DecamoError
from decamo.geometry import Squash

__all__ = [
    "Ats",
    "Batch",
    "BatchReader",
    "CamouflageDataset",
    "Draw",
    "EpochSampler",
    "Errand",
    "Sample",
    "StowedBatch",
    "collate",
    "micro_batches_per_epoch",
    "permutation",
]

Draw = Callable[[int, int, int], Augmentation]

# A JPEG is decoded at a fraction of its size where the window that is kept has this share of the
# result's side: so nothing is magnified by more than 1.46, as nothing of the cache is.
_LEAST = 0.685


@dataclass(frozen=True)
class Sample:
    """One training example.

    Attributes:
        image: uint8 ``[3, S, S]``, RGB.
        mask: uint8 ``[1, S, S]``: 1 object, 0 ground; ``VOID`` neither, where the data set has it.
        key: the pair's.
    """

    image: Tensor
    mask: Tensor
    key: str


class CamouflageDataset(Dataset[Sample]):
    """Samples of one size, addressed by (epoch, index): the same address gives the same pixels.

    Args:
        pairs: what to read.
        size: side of every sample, in px.
        seed: fixes the augmentation.
        augment: augment, and read large JPEGs at a fraction of their size where the result has
            no use for the rest. Without it a sample is the squashed image, exactly.
        draw: what happens to a sample, a function of (seed, epoch, index) alone.
        source: where images that are augmented come from, squashed before; None reads the files.
            The augmentations drawn are the same, the pixels are resampled once more.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        size: int,
        *,
        seed: int,
        augment: bool,
        draw: Draw = draw_augmentation,
        source: SampleSource | None = None,
    ) -> None:
        self.pairs = tuple(pairs)
        self.size = size
        self.seed = seed
        self.augment = augment
        self._draw = draw
        self.source = source

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, at: tuple[int, int]) -> Sample:
        """The sample at (epoch, index).

        Raises:
            UnreadableImage: a file cannot be decoded.
        """
        epoch, index = at
        pair = self.pairs[index]
        aug = self._draw(self.seed, epoch, index) if self.augment else Augmentation()
        if self.augment and self.source is not None:
            return Sample(*apply_stored(aug, self.source.square(index), self.size), key=pair.key)
        # What is cropped away must be decoded too, so a small window needs a larger picture.
        window = max(1.0, _LEAST / min(aug.crop[2:]))
        enough = math.ceil(self.size * window) if self.augment else None
        pixels, labels = read_labelled(pair, at_least=enough)
        image = torch.from_numpy(pixels).permute(2, 0, 1)
        mask = torch.from_numpy(labels.object).unsqueeze(0)
        void = None if labels.void is None else torch.from_numpy(labels.void).unsqueeze(0)
        if self.augment:
            return Sample(*apply(aug, image, mask, self.size, void), key=pair.key)
        squash = Squash((image.shape[1], image.shape[2]), self.size)
        squashed = squash.apply_mask(mask[0])[None].to(torch.uint8)
        if void is not None:
            squashed[squash.apply_mask((mask | void)[0])[None] & (squashed == 0)] = VOID
        return Sample(squash.apply(image), squashed, key=pair.key)


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

    Each epoch is a permutation cut into global micro-batches of ``micro_batch * planned`` samples,
    of which rank ``r`` takes the ``r``-th contiguous share of ``world``. The epoch's last may be
    short; a share is as even as it can be, and may be the empty list. Nothing is dropped and
    nothing doubled, so that all ranks take the same number of steps.

    Args:
        count: samples in the data set.
        seed: fixes the order.
        first_epoch: first epoch to yield.
        last_epoch: last epoch to yield, included.
        micro_batch: samples on each rank, where there are as many as planned.
        rank: this process, from 0.
        world: number of processes.
        planned: number of processes that the plan counts with; 0 for ``world``.
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
        planned: int = 0,
        skip: int = 0,
    ) -> None:
        if count < 1 or micro_batch < 1 or not 0 <= rank < world:
            raise ValueError(f"{count=}, {micro_batch=}, {rank=}, {world=}")
        self.planned = planned or world
        self.per_epoch = micro_batches_per_epoch(count, micro_batch, self.planned)
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
        step = self.micro_batch * self.planned
        for epoch in self.epochs:
            order = permutation(self.seed, epoch, self.count)
            done = self.skip if epoch == self.epochs.start else 0
            for start in range(done * step, self.count, step):
                together = order[start : start + step]
                low = self.rank * len(together) // self.world
                high = (self.rank + 1) * len(together) // self.world
                yield [(epoch, index) for index in together[low:high]]


def collate(samples: Sequence[Sample], size: int) -> Batch:
    """Samples of one size, in px, as a batch; of none an empty one."""
    if not samples:
        nothing = torch.empty(0, 3, size, size, dtype=torch.uint8)
        return Batch(nothing, nothing[:, :1], ())
    return Batch(
        torch.stack([sample.image for sample in samples]),
        torch.stack([sample.mask for sample in samples]),
        tuple(sample.key for sample in samples),
    )


Ats = list[tuple[int, int]]


@dataclass(frozen=True)
class Errand:
    """A batch to read, and the slot of the arena that it goes into, if any."""

    ats: Ats
    slot: int | None


@dataclass(frozen=True)
class StowedBatch:
    """A batch that lies in a slot: its keys, and the shape of each of its tensors."""

    slot: int
    keys: tuple[str, ...]
    image: tuple[int, ...]
    mask: tuple[int, ...]


@dataclass
class BatchReader:
    """What a reading process does; errors that people can mend travel as values.

    Attributes:
        dataset: what to read.
        arena: to put batches into; None sends them.
        alone: whether this is another process, which computes on one thread and keeps its memory.
        under_way: index of the pair that is being read.
    """

    dataset: CamouflageDataset
    arena: Arena | None
    alone: bool = True
    under_way: int | None = None

    def __call__(self, errand: Errand) -> Batch | StowedBatch | DecamoError:
        """A batch, or where it lies, or why it cannot be read."""
        if self.alone:
            torch.set_num_threads(1)
            keep_freed_memory()
        try:
            samples = []
            for number, at in enumerate(errand.ats):
                self.under_way = at[1]
                self._mark(errand.slot, number)
                samples.append(self.dataset[at])
            batch = collate(samples, self.dataset.size)
        except DecamoError as error:
            return error
        except RuntimeError as error:
            if "allocate memory" in str(error):  # torch's own word for it
                raise MemoryError(str(error)) from error
            raise
        return batch if errand.slot is None else self._stowed(batch, errand.slot)

    def _mark(self, slot: int | None, number: int) -> None:
        if slot is not None and self.arena is not None:
            with contextlib.suppress(OSError):
                self.arena.mark(slot, number)

    def _stowed(self, batch: Batch, slot: int) -> Batch | StowedBatch:
        """The batch put into its slot; as it is where it does not fit or cannot be got at."""
        try:
            room = self.arena.slot(slot) if self.arena is not None else np.empty(0, np.uint8)
        except OSError:
            return batch
        first, second = batch.image.numel(), batch.mask.numel()
        plain = batch.image.dtype == batch.mask.dtype == torch.uint8
        if not plain or first + second > room.size:
            return batch
        room[:first] = batch.image.reshape(-1).numpy()
        room[first : first + second] = batch.mask.reshape(-1).numpy()
        return StowedBatch(slot, batch.keys, tuple(batch.image.shape), tuple(batch.mask.shape))
