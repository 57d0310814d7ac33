"""What a reading process does with a batch: read it, and put it where the other side finds it."""

import contextlib
from dataclasses import dataclass

import numpy as np
import torch

from decamo.data.arena import Arena
from decamo.data.dataset import Batch, CamouflageDataset, collate
from decamo.errors import DecamoError

__all__ = [
    "Ats",
    "BatchReader",
    "Errand",
    "StowedBatch",
]

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
        alone: whether this is another process, which computes on one thread.
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
