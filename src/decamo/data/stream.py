"""Batches in order, read by several processes; what becomes of those is never waited for deafly.

The batches depend on data set and sampler alone: not on how many processes read, on how batches
travel, or on which of the processes die on the way.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from decamo.data.arena import Arena, free_memory, room_line
from decamo.data.crew import Answer, Crash, Crew
from decamo.data.dataset import CamouflageDataset
from decamo.data.loader import Batch, EpochSampler, collate
from decamo.data.waiting import (
    LISTEN_S,
    Ear,
    Listen,
    Patience,
    ReadAhead,
    StopAsked,
    Wait,
    patient_map,
)
from decamo.errors import DecamoError, UnreadableImage

__all__ = ["BatchStream", "affordable", "batch_bytes", "reading_line", "squashed_images"]

_AHEAD = 2  # micro-batches that each process has been given
_SHARE = 0.5  # of the free memory: the rest is for the network and the page cache
_CHANNELS = 4
_START_S = 120.0  # a cold start imports the whole package from what may be a slow disk

_Ats = list[tuple[int, int]]


@dataclass(frozen=True)
class _Errand:
    """A batch to read, and the slot of the arena that it goes into, if any."""

    ats: _Ats
    slot: int | None


@dataclass(frozen=True)
class _Stowed:
    """A batch that lies in a slot: its keys, and the shape of each of its tensors."""

    slot: int
    keys: tuple[str, ...]
    image: tuple[int, ...]
    mask: tuple[int, ...]


@dataclass
class _Reader:
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

    def __call__(self, errand: _Errand) -> Batch | _Stowed | DecamoError:
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

    def _stowed(self, batch: Batch, slot: int) -> Batch | _Stowed:
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
        return _Stowed(slot, batch.keys, tuple(batch.image.shape), tuple(batch.mask.shape))


class BatchStream(Iterator[Batch]):
    """The micro-batches of a sampler, in its order.

    Workers compute on one thread each and ignore every request to stop: this process ends them when
    it has saved. One that dies is replaced, and what it had is read again; where several die in
    short time fewer go on, and in the end a thread of this process reads. No global generator is
    touched.

    Args:
        dataset: what to read.
        sampler: in which order.
        num_workers: processes that read; 0 reads in a thread of this one.
        pin_memory: put batches into page-locked memory (only with a GPU).
        patience: judges waits, and holds what is to be told.
        method: how processes start; None: as the platform does by default.
    """

    def __init__(
        self,
        dataset: CamouflageDataset,
        sampler: EpochSampler,
        *,
        num_workers: int,
        pin_memory: bool,
        patience: Patience | None = None,
        method: str | None = None,
    ) -> None:
        self.patience = Patience() if patience is None else patience
        self._dataset, self._pin = dataset, pin_memory
        self._order = enumerate(iter(sampler))
        self._next = 0  # number of the batch that is to come
        self._ats: dict[int, _Ats] = {}  # given out, not yet handed over
        self._ready: dict[int, Batch | _Stowed | DecamoError] = {}
        self._wait: Wait | None = None  # for the next batch, or for its next sample
        self._waits_at = -1  # that sample
        self._here: ReadAhead[_Ats, Batch | _Stowed | DecamoError] | None = None
        self._crew: Crew[_Errand, Batch | _Stowed | DecamoError] | None = None
        self._arena: Arena | None = None
        self._free: list[int] = []
        self._slots: dict[int, int] = {}
        self._hedged: set[int] = set()
        wanted = min(num_workers, len(sampler))
        workers, short = affordable(wanted, sampler.micro_batch, dataset.size)
        self.patience.notes += [short] * bool(short)
        if workers:
            self._arena = Arena.make(
                workers * _AHEAD, batch_bytes(1, sampler.micro_batch, dataset.size) // _AHEAD
            )
            self._free = list(range(workers * _AHEAD)) if self._arena is not None else []
            self._crew = Crew(
                _Reader(dataset, self._arena), workers, ahead=_AHEAD, method=method,
                preload=("decamo.data.stream",),
            )  # fmt: skip
            try:
                self._give()
            except BaseException:
                self.close()
                raise

    def poll(self, seconds: float) -> Batch | None:
        """The next batch; None where it did not come in so many seconds.

        Raises:
            StopIteration: there is none.
            UnreadableImage: a file cannot be decoded, or processes died of it.
            DataStalled: waiting is hopeless.
        """
        if self._crew is not None:
            found = self._from_crew(seconds)
        if self._crew is None:
            found = self._from_here(seconds)
        if found is None:
            return None
        self._next += 1
        if isinstance(found, DecamoError):
            raise found
        return found

    def __next__(self) -> Batch:
        while (batch := self.poll(LISTEN_S)) is None:
            pass
        return batch

    def take(self, count: int, listen: Listen) -> list[Batch]:
        """The next batches, however long it takes; fewer at the end.

        Args:
            count: how many.
            listen: asked meanwhile; a reason ends the wait.

        Raises:
            StopAsked: there was a reason.
            DecamoError: as :meth:`poll`.
        """
        held: list[Batch] = []
        while len(held) < count:
            try:
                batch = self.poll(LISTEN_S)
            except StopIteration:
                break
            if batch is not None:
                held.append(batch)
            elif why := listen():
                raise StopAsked(why)
        return held

    def close(self) -> None:
        """End the processes, and let go of what they shared."""
        if self._crew is not None:
            self._crew.close()
        if self._here is not None:
            self._here.close()
        self._crew = self._arena = None
        self._ready.clear()

    def __enter__(self) -> "BatchStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------ by other processes

    def _give(self) -> None:
        """Give the crew as much as it may be ahead."""
        crew = self._crew
        while crew is not None and len(self._ats) < crew.workers * _AHEAD:
            if (item := next(self._order, None)) is None:
                return
            number, ats = item
            self._ats[number] = ats
            slot = self._free.pop() if self._free else None
            if slot is not None:
                self._slots[number] = slot
            crew.give(number, _Errand(ats, slot), _Errand(ats, None))

    def _from_crew(self, seconds: float) -> Batch | DecamoError | None:
        crew = self._crew
        assert crew is not None
        self._give()
        if crew.lost and self._next not in self._ready:
            self._come_home(crew)
            return None
        if self._next not in self._ats:
            self._come_home(crew)  # nothing is left to do
            raise StopIteration
        try:
            # What has come already is looked at as well, so that processes never wait for long.
            for answer in crew.poll(0.0 if self._next in self._ready else seconds):
                self._take(answer)
        except Crash as crash:
            self._ready[crash.number] = self._named(crash)  # when its turn comes
        self.patience.notes += crew.notes
        crew.notes.clear()
        if self._next in self._ready:
            return self._handed_over(crew)
        if crew.lost:
            self._come_home(crew)
        else:
            self._judge(crew)
        return None

    def _take(self, answer: Answer[Batch | _Stowed | DecamoError]) -> None:
        if answer.error is not None:
            raise answer.error
        assert answer.value is not None
        self.patience.took(answer.seconds)
        self._ready[answer.number] = answer.value

    def _handed_over(self, crew: Crew[_Errand, Any]) -> Batch | DecamoError:
        number = self._next
        found = self._ready.pop(number)
        if number in self._hedged:
            self._hedged.discard(number)
            crew.drop(number)
        del self._ats[number]
        self._wait = None
        batch = self._unstowed(found)
        slot = self._slots.pop(number, None)
        if slot is not None and not crew.holds(number):  # else somebody may still write there
            self._free.append(slot)
        self._give()
        return batch

    def _unstowed(self, found: Batch | _Stowed | DecamoError) -> Batch | DecamoError:
        if isinstance(found, DecamoError):
            return found
        if isinstance(found, Batch):
            return found.pin_memory() if self._pin else found
        assert self._arena is not None
        room = torch.from_numpy(self._arena.slot(found.slot))
        first = int(np.prod(found.image))
        second = int(np.prod(found.mask))
        return Batch(
            self._copied(room[:first], found.image),
            self._copied(room[first : first + second], found.mask),
            found.keys,
        )

    def _copied(self, flat: Tensor, shape: tuple[int, ...]) -> Tensor:
        return torch.empty(shape, dtype=torch.uint8, pin_memory=self._pin).copy_(flat.view(shape))

    def _judge(self, crew: Crew[_Errand, Any]) -> None:
        """Whether the batch that is to come is late; time counts from the last sign of life."""
        number = self._next
        at = self._marked(number)
        if self._wait is None or self._waits_at != at:
            self._wait, self._waits_at = Wait(self.patience.clock), at
        waited = self._wait.look()
        if crew.starts(number) and waited < _START_S:
            return
        late = self.patience.judge(
            number,
            waited,
            lambda: crew.state_of(number) or "a reading process does not answer",
            lambda: self._name(number, at),
        )
        if late and number not in self._hedged and crew.hedge(number):
            self._hedged.add(number)
            self.patience.notes[-1] += ", and another process tries"

    def _marked(self, number: int) -> int:
        """Which sample of a batch is being read, as far as its process says."""
        slot = self._slots.get(number)
        return -1 if slot is None or self._arena is None else self._arena.marked(slot)

    def _name(self, number: int, at: int) -> object:
        """The file that is being read, or the first of those that may be."""
        ats = self._ats[number]
        if not ats:
            return "--num-workers"
        pair = self._dataset.pairs[ats[at if 0 <= at < len(ats) else 0][1]]
        return pair.image if at >= 0 else f"{pair.image} or one of the {len(ats) - 1} after it"

    def _named(self, crash: Crash) -> UnreadableImage:
        what = self._name(crash.number, self._marked(crash.number))
        return UnreadableImage(
            what, f"{crash.reason} that read it or its mask", "export it again, or remove the pair"
        )

    # ------------------------------------------------------------ by a thread of this one

    def _come_home(self, crew: Crew[_Errand, Any]) -> None:
        """No process is left: what they had, and all that follows, is read here."""
        crew.close()
        self._crew = None

    def _from_here(self, seconds: float) -> Batch | DecamoError | None:
        if self._next in self._ready:  # by a process that has died since
            self._ats.pop(self._next, None)
            return self._unstowed(self._ready.pop(self._next))
        if self._here is None:
            reader = _Reader(self._dataset, None, alone=False)
            self._here = ReadAhead(
                lambda ats: reader(_Errand(ats, None)),
                self._left(),
                ahead=_AHEAD,
                patience=self.patience,
                name=lambda ats: self._read_by(reader, ats),
            )
        try:
            read = self._here.poll(seconds)
        except IndexError:
            raise StopIteration from None
        if read is None:
            return None
        self._ats.pop(self._next, None)
        return self._unstowed(read.result())

    def _left(self) -> Iterator[_Ats]:
        """The batches that no process has read."""
        held = sorted(number for number in self._ats if number not in self._ready)
        yield from [self._ats[number] for number in held]
        yield from (ats for _, ats in self._order)

    def _read_by(self, reader: _Reader, ats: _Ats) -> object:
        index = ats[0][1] if reader.under_way is None and ats else reader.under_way
        return "--num-workers" if index is None else self._dataset.pairs[index].image


def squashed_images(data: CamouflageDataset, ear: Ear) -> list[Tensor]:
    """The images of a data set that is not augmented, uint8 ``[3, S, S]``, in its order.

    Raises:
        UnreadableImage: a file cannot be decoded.
        DataStalled: one is not read to its end.
        StopAsked: there was a reason not to wait for it.
    """
    return patient_map(
        lambda index: data[0, index].image,
        range(len(data)),
        ear,
        name=lambda index: data.pairs[index].image,
    )


def batch_bytes(workers: int, micro_batch: int, size: int) -> int:
    """Bytes that the batches of reading processes take, for images of ``size`` px."""
    return workers * _AHEAD * micro_batch * size**2 * _CHANNELS


def affordable(workers: int, micro_batch: int, size: int) -> tuple[int, str]:
    """How many of the reading processes the free memory is enough for, and why not all, if so."""
    free, needed = free_memory(), batch_bytes(workers, micro_batch, size)
    if not free or needed <= _SHARE * free:
        return workers, ""
    most = int(_SHARE * free / batch_bytes(1, micro_batch, size))
    return most, (
        f"batches of {workers} reading processes need {needed / 1e6:.0f} MB, and"
        f" {free / 1e6:.0f} MB of memory are free: {most or 'none'} of them"
        f" read{'s' if most == 1 else ''}"
    )


def reading_line(workers: int, micro_batch: int, size: int) -> str:
    """Who reads, how batches travel, and what room there is in ``/dev/shm``, which is not used."""
    able, _ = affordable(workers, micro_batch, size)
    if not able:
        return "a thread of this process reads"
    probe = Arena.make(1, 1)
    way = "their socket pairs" if probe is None else probe.owner.way
    return room_line(able, batch_bytes(able, micro_batch, size), way)
