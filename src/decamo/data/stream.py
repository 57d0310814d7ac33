"""Batches in order, read by several processes; what becomes of those is never waited for deafly.

The batches depend on data set and sampler alone: not on how many processes read, on how batches
travel, or on which of the processes die on the way.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from decamo.data.arena import AHEAD, Arena, affordable, batch_bytes
from decamo.data.crew import Crew
from decamo.data.dataset import (
    Ats,
    Batch,
    BatchReader,
    CamouflageDataset,
    EpochSampler,
    Errand,
    StowedBatch,
)
from decamo.data.deaths import Crash
from decamo.data.read_ahead import ReadAhead, patient_map
from decamo.data.waiting import LISTEN_S, Ear, Listen, Patience, StopAsked, Wait
from decamo.data.worker_process import Answer
from decamo.errors import DecamoError, UnreadableImage

__all__ = [
    "BatchStream",
    "squashed_images",
]

_START_S = 120.0  # a cold start imports the whole package from what may be a slow disk


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
        self._ats: dict[int, Ats] = {}  # given out, not yet handed over
        self._ready: dict[int, Batch | StowedBatch | DecamoError] = {}
        self._wait: Wait | None = None  # for the next batch, or for its next sample
        self._waits_at = -1  # that sample
        self._here: ReadAhead[Ats, Batch | StowedBatch | DecamoError] | None = None
        self._crew: Crew[Errand, Batch | StowedBatch | DecamoError] | None = None
        self._arena: Arena | None = None
        self._free: list[int] = []
        self._slots: dict[int, int] = {}
        self._hedged: set[int] = set()
        wanted = min(num_workers, len(sampler))
        workers, short = affordable(wanted, sampler.micro_batch, dataset.size)
        self.patience.notes += [short] * bool(short)
        if workers:
            self._arena = Arena.make(
                workers * AHEAD, batch_bytes(1, sampler.micro_batch, dataset.size) // AHEAD
            )
            self._free = list(range(workers * AHEAD)) if self._arena is not None else []
            self._crew = Crew(
                BatchReader(dataset, self._arena), workers, ahead=AHEAD, method=method,
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
        while crew is not None and len(self._ats) < crew.workers * AHEAD:
            if (item := next(self._order, None)) is None:
                return
            number, ats = item
            self._ats[number] = ats
            slot = self._free.pop() if self._free else None
            if slot is not None:
                self._slots[number] = slot
            crew.give(number, Errand(ats, slot), Errand(ats, None))

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

    def _take(self, answer: Answer[Batch | StowedBatch | DecamoError]) -> None:
        if answer.error is not None:
            raise answer.error
        assert answer.value is not None
        self.patience.took(answer.seconds)
        self._ready[answer.number] = answer.value

    def _handed_over(self, crew: Crew[Errand, Any]) -> Batch | DecamoError:
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

    def _unstowed(self, found: Batch | StowedBatch | DecamoError) -> Batch | DecamoError:
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

    def _judge(self, crew: Crew[Errand, Any]) -> None:
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

    def _come_home(self, crew: Crew[Errand, Any]) -> None:
        """No process is left: what they had, and all that follows, is read here."""
        crew.close()
        self._crew = None

    def _from_here(self, seconds: float) -> Batch | DecamoError | None:
        if self._next in self._ready:  # by a process that has died since
            self._ats.pop(self._next, None)
            return self._unstowed(self._ready.pop(self._next))
        if self._here is None:
            reader = BatchReader(self._dataset, None, alone=False)
            self._here = ReadAhead(
                lambda ats: reader(Errand(ats, None)),
                self._left(),
                ahead=AHEAD,
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

    def _left(self) -> Iterator[Ats]:
        """The batches that no process has read."""
        held = sorted(number for number in self._ats if number not in self._ready)
        yield from [self._ats[number] for number in held]
        yield from (ats for _, ats in self._order)

    def _read_by(self, reader: BatchReader, ats: Ats) -> object:
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
