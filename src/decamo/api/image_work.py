"""From images to maps on the disk, here or in a worker: what is known of each afterwards."""

import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from dataclasses import replace as replaced
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from decamo.api.expert_sheets import ExpertSheets
from decamo.data.in_threads import in_threads
from decamo.data.read_ahead import ReadAhead, patient_read
from decamo.data.reading import read_image
from decamo.data.rules import ReadingRule
from decamo.data.waiting import Ear, Patience
from decamo.errors import DataStalled, UnreadableImage
from decamo.inference.figures import MapFigures, figures_of
from decamo.inference.inputs import Item
from decamo.inference.prediction_log import stamp_of
from decamo.inference.views import MapMaker, PreparedImage
from decamo.inference.writer import write_overlay, write_probability
from decamo.metrics import THRESHOLD
from decamo.storage import make_folder, storage_error, sync_folder
from decamo.system import replace

__all__ = ["ImageWork", "MadeImage"]

_Image = npt.NDArray[np.uint8]
_READERS, _WRITERS = 2, 2  # threads
_BEHIND = 4  # maps that are written or wait for it
_LARGE_PX = 16_000_000  # from here on maps are written one at a time
_LARGE = threading.Lock()


@dataclass(frozen=True)
class _Read:
    """An image as it was read: why it was not, or what the network takes of it, or says of it."""

    item: Item
    error: str = ""
    prepared: PreparedImage | None = None
    image: _Image | None = None
    logits: npt.NDArray[np.float32] | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class _Seen:
    """What the network says of an image, in how many seconds."""

    read: _Read
    logits: npt.NDArray[np.float32] | None = None
    firing: Any = None
    seconds: float = 0.0


@dataclass(frozen=True)
class MadeImage:
    """What became of an image.

    Attributes:
        item: the image, and its pictures.
        error: why it cannot be read; empty where it was predicted.
        figures: of its map.
        stamp: of its file.
        seconds: it took; in a batch its part of them.
        experts: of each level, where they were asked for.
        bits: its mask, eight pixels a byte, where it was asked for.
    """

    item: Item
    error: str = ""
    figures: MapFigures | None = None
    stamp: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    experts: tuple[dict[str, Any], ...] = ()
    bits: bytes = b""

    def mask(self) -> npt.NDArray[np.bool_]:
        """Its mask, ``[H, W]``."""
        if self.figures is None:
            raise ValueError("want an image that was predicted")
        shape = self.figures.height, self.figures.width
        packed = np.frombuffer(self.bits, np.uint8)
        return np.unpackbits(packed, count=shape[0] * shape[1]).reshape(shape).astype(bool)


@dataclass(frozen=True)
class ImageWork:
    """Predicts images and writes their pictures.

    Attributes:
        predictor: makes the maps.
        rule: how images are read.
        stalled: images that were not read to their end before.
        ear: listened to while one is read.
        batch: images that go through the network together.
        experts: draws them; None for no sheets.
        masks: whether they are kept.
        overlay: whether the image with the object in orange is written, too.
        lookers: threads that read an image and ask the network of it, each for itself, as many as
            the predictor was opened for; 0 where this thread alone asks, a batch at a time.
        staging: folder where pictures are written first, to be renamed once they are whole: for
            workers, of which one that was given up may still be writing. None for at once.
    """

    predictor: MapMaker
    rule: ReadingRule
    stalled: Mapping[Path, DataStalled]
    ear: Ear
    batch: int = 1
    experts: ExpertSheets | None = None
    masks: bool = False
    staging: Path | None = None
    overlay: bool = False
    lookers: int = 0

    def each(self, items: Iterable[Item]) -> Generator[MadeImage]:
        """What became of each, in order.

        Images are read and written by threads, a few ahead of and behind the network: decoders and
        encoders do not hold the interpreter's lock.

        Raises:
            StorageError: a picture cannot be written.
        """
        with closing(self._read_each(items)) as reads, closing(self._seen(reads)) as seen:
            if self.experts:  # matplotlib draws in one thread alone
                yield from (self._made(one) for one in seen)
            else:
                yield from in_threads(self._made_beside, seen, threads=_WRITERS, behind=_BEHIND)

    def read(self, image: Path) -> _Image | str:
        """The image, RGB uint8 ``[H, W, 3]``, or why it cannot be read."""
        try:
            if image in self.stalled:
                raise self.stalled[image]
            return patient_read(partial(read_image, rule=self.rule), image, self.ear)
        except (UnreadableImage, DataStalled) as error:
            return str(error)

    def _read_each(self, items: Iterable[Item]) -> Generator["_Read"]:
        """Each image, prepared for the network; what stalls is left behind in its thread."""
        source, under_way = iter(items), deque[Item]()

        def taken(again: Sequence[Item]) -> Iterator[Item]:
            for item in chain(again, source):
                under_way.append(item)
                yield item

        again: list[Item] = []
        threads = self.lookers or _READERS
        while True:
            reading = ReadAhead(
                self._read, taken(again), threads=threads, ahead=threads + self.batch,
                patience=Patience(self.ear.give_up_s), name=lambda item: item.image,
            )  # fmt: skip
            with closing(reading):
                try:
                    while not reading.over:
                        read = reading.next(self.ear)
                        under_way.popleft()
                        yield replaced(read.result(), seconds=read.seconds)
                    return
                except DataStalled as error:
                    yield _Read(under_way.popleft(), str(error))
            again = list(under_way)
            under_way.clear()

    def _read(self, item: Item) -> "_Read":
        try:
            if item.image in self.stalled:
                raise self.stalled[item.image]
            image = read_image(item.image, rule=self.rule)
        except (UnreadableImage, DataStalled) as error:
            return _Read(item, str(error))
        self.predictor.enter_thread()
        kept = image if self.overlay or self.experts else None
        prepared = self.predictor.prepare(image)
        logits = self.predictor.look([prepared])[0] if self.lookers else None
        return _Read(item, "", prepared, kept, logits)

    def _seen(self, reads: Iterable["_Read"]) -> Generator["_Seen"]:
        """Each with the network's logits; a batch as soon as it is full."""
        if self.lookers:
            yield from (_Seen(read, read.logits) for read in reads)
            return
        pending: list[_Read] = []
        good = 0
        for read in reads:
            pending.append(read)
            good += not read.error
            if good == self.batch or not good:
                yield from self._seen_together(pending)
                pending, good = [], 0
        yield from self._seen_together(pending)

    def _seen_together(self, reads: Sequence["_Read"]) -> Iterator["_Seen"]:
        images = [read.prepared for read in reads if read.prepared is not None]
        began = time.perf_counter()
        logits = iter(self.predictor.look(images) if images else ())
        firings = iter(self.experts.watch.take() if self.experts and images else ())
        part = (time.perf_counter() - began) / max(len(images), 1)
        for read in reads:
            if read.error:
                yield _Seen(read)
            else:
                yield _Seen(read, next(logits), next(firings, None), part)

    def _made_beside(self, seen: "_Seen") -> MadeImage:
        self.predictor.enter_thread()
        return self._made(seen)

    def _made(self, seen: "_Seen") -> MadeImage:
        """Its map at native size, written, and what it says."""
        read, logits = seen.read, seen.logits
        if read.prepared is None or logits is None:
            return MadeImage(read.item, read.error)
        native, began = read.prepared.native, time.perf_counter()
        with _LARGE if native[0] * native[1] > _LARGE_PX else nullcontext():
            probability = self.predictor.finish(logits, native)
            told = self._write(read, probability, seen.firing)
            bits = np.packbits(probability >= THRESHOLD).tobytes() if self.masks else b""
            figures, stamp = figures_of(probability), stamp_of(read.item.image)
        seconds = read.seconds + seen.seconds + time.perf_counter() - began
        return MadeImage(read.item, "", figures, stamp, seconds, told, bits)

    def _write(
        self, read: "_Read", probability: npt.NDArray[np.float32], firing: Any
    ) -> tuple[dict[str, Any], ...]:
        with self._placed(read.item) as place:
            write_probability(place.map, probability)
            if read.image is None:
                return ()
            if self.overlay:
                write_overlay(place.overlay, read.image, probability)
            if self.experts is None or firing is None:
                return ()
            return self.experts.draw(place, read.image, probability, firing)

    @contextmanager
    def _placed(self, item: Item) -> Iterator[Item]:
        """Where its pictures are written; behind this block they are where they belong."""
        if self.staging is None:
            yield item
            return
        kinds = ("map", "overlay", "sheet")
        own = threading.get_ident()
        place = replaced(item, **{kind: self.staging / f"{own}-{kind}.png" for kind in kinds})
        yield place
        for kind in kinds:
            source, path = getattr(place, kind), getattr(item, kind)
            if not source.is_file():
                continue
            target = path.resolve()  # a link stays a link
            make_folder(target.parent)
            try:
                replace(source, target)
                sync_folder(target.parent)
            except OSError as error:
                raise storage_error(path, error) from error
