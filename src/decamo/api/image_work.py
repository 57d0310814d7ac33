"""From images to maps on the disk, here or in a worker: what is known of each afterwards."""

import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace as replaced
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from decamo.api.expert_sheets import ExpertSheets
from decamo.data.read_ahead import patient_read
from decamo.data.reading import read_image
from decamo.data.rules import ReadingRule
from decamo.data.waiting import Ear
from decamo.errors import DataStalled, UnreadableImage
from decamo.inference.figures import MapFigures, figures_of
from decamo.inference.inputs import Item
from decamo.inference.prediction_log import stamp_of
from decamo.inference.views import MapMaker
from decamo.inference.writer import write_overlay, write_probability
from decamo.metrics import THRESHOLD
from decamo.storage import make_folder, storage_error, sync_folder
from decamo.system import replace

__all__ = ["ImageWork", "MadeImage"]

_Image = npt.NDArray[np.uint8]


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

    def each(self, items: Iterable[Item]) -> Generator[MadeImage]:
        """What became of each, in order.

        Raises:
            StorageError: a picture cannot be written.
        """
        pending: list[tuple[Item, _Image | str, float]] = []
        good = 0
        for item in items:
            began = time.perf_counter()
            read = self.read(item.image)
            pending.append((item, read, time.perf_counter() - began))
            good += not isinstance(read, str)
            if good == self.batch or not good:
                yield from self._made(pending)
                pending, good = [], 0
        yield from self._made(pending)

    def read(self, image: Path) -> _Image | str:
        """The image, RGB uint8 ``[H, W, 3]``, or why it cannot be read."""
        try:
            if image in self.stalled:
                raise self.stalled[image]
            return patient_read(partial(read_image, rule=self.rule), image, self.ear)
        except (UnreadableImage, DataStalled) as error:
            return str(error)

    def _made(self, pending: list[tuple[Item, _Image | str, float]]) -> Iterator[MadeImage]:
        images = [read for _, read, _ in pending if not isinstance(read, str)]
        began = time.perf_counter()
        maps = iter(self.predictor.predict(images) if images else ())
        firings = iter(self.experts.watch.take() if self.experts and images else ())
        part = (time.perf_counter() - began) / max(len(images), 1)
        for item, read, read_s in pending:
            if isinstance(read, str):
                yield MadeImage(item, read)
                continue
            began, probability = time.perf_counter(), next(maps)
            told = self._write(item, read, probability, next(firings, None))
            bits = np.packbits(probability >= THRESHOLD).tobytes() if self.masks else b""
            figures, stamp = figures_of(probability), stamp_of(item.image)
            seconds = read_s + part + time.perf_counter() - began
            yield MadeImage(item, "", figures, stamp, seconds, told, bits)

    def _write(
        self, item: Item, image: _Image, probability: npt.NDArray[np.float32], firing: Any
    ) -> tuple[dict[str, Any], ...]:
        with self._placed(item) as place:
            write_probability(place.map, probability)
            write_overlay(place.overlay, image, probability)
            if self.experts is None or firing is None:
                return ()
            return self.experts.draw(place, image, probability, firing)

    @contextmanager
    def _placed(self, item: Item) -> Iterator[Item]:
        """Where its pictures are written; behind this block they are where they belong."""
        if self.staging is None:
            yield item
            return
        kinds = ("map", "overlay", "sheet")
        place = replaced(item, **{kind: self.staging / f"{kind}.png" for kind in kinds})
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
