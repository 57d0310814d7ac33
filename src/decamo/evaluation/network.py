"""A network's maps as they would lie on disk: one image a forward pass, 8 bits a pixel."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from decamo.data.in_threads import in_threads
from decamo.data.read_ahead import ReadAhead
from decamo.data.waiting import NOBODY, Ear, Patience
from decamo.errors import DataError, UnreadableImage
from decamo.evaluation.cases import Case, CaseSet
from decamo.evaluation.measuring import Job, Rules
from decamo.evaluation.truth import Truth, read_truth
from decamo.inference.views import MapMaker, PreparedImage
from decamo.storage.spilled import Picked

__all__ = ["NetworkMethod", "network_jobs"]

_PLAIN = Rules()
_BEHIND = 2  # maps that are brought to their masks' size or wait for it


@dataclass(frozen=True)
class NetworkMethod:
    """A network, scored on the maps it would write.

    Attributes:
        name: to score it under.
        predictor: the network, at its size.
        facts: what the protocol says of it.
        batch: images read ahead; moves no score.
        threads: that read.
        rules: by which is scored; the network is spared what they leave out.
        with_images: whether jobs carry images on, for the atlas.
        ear: told where an image is late.
        digest: sha256 of the network's files, where results are to be found again.
    """

    name: str
    predictor: MapMaker
    facts: dict[str, Any]
    batch: int = 8
    threads: int = 2
    rules: Rules = Rules()
    with_images: bool = False
    ear: Ear = NOBODY
    digest: str = ""

    def extra(self, _: CaseSet) -> tuple[Path, ...]:
        """A network makes no map that was not asked for."""
        return ()

    def reading(self, _: CaseSet) -> str:
        """Its maps are 8-bit grey levels."""
        return ""

    def origins(self, cases: CaseSet) -> Sequence[Sequence[Any]]:
        """Of each case the network, and how it looks."""
        return Picked.each(cases.cases, lambda _: (self.digest, self.facts))

    def jobs(self, cases: CaseSet, places: Sequence[int] | None = None) -> Iterator[Job]:
        """A job for each case, or for those at some places, made as they are asked for."""
        return network_jobs(
            self.predictor,
            cases.cases if places is None else Picked.those(cases.cases, places),
            batch=self.batch,
            threads=self.threads,
            rules=self.rules,
            with_images=self.with_images,
            ear=self.ear,
        )


def network_jobs(
    predictor: MapMaker,
    cases: Sequence[Case],
    *,
    batch: int,
    threads: int,
    rules: Rules = _PLAIN,
    with_images: bool = False,
    ear: Ear = NOBODY,
) -> Iterator[Job]:
    """A job for each case, in order, with the map that the network makes of its image.

    Images go through the network one by one: torch's convolutions round differently for another
    batch size, which moves grey levels (docs/decisions/0006). ``batch`` only says how many images
    are read ahead, and cannot move a score.

    Args:
        predictor: the network.
        cases: with images.
        batch: images held read ahead.
        threads: that read; Pillow decodes outside of the interpreter's lock.
        rules: by which is scored; the network is spared what they leave out.
        with_images: whether jobs carry the image on, for the atlas.
        ear: listened to while images are awaited.

    Raises:
        DataError: a case has no image.
        DataStalled: a file is not read to its end.
    """
    ahead = ReadAhead(
        partial(_read, predictor, rules, with_images),
        cases,
        threads=threads,
        ahead=batch,
        patience=Patience(ear.give_up_s),
        name=_name,
    )
    with closing(ahead):
        seen = _seen(predictor, ahead, ear)
        yield from in_threads(partial(_job, predictor), seen, threads=1, behind=_BEHIND)


@dataclass(frozen=True)
class _Read:
    """A case as it was read: its mask and image, and what the network takes of that.

    Nothing of a case that cannot be read: scoring reads it again, and says why.
    """

    case: Case
    truth: Truth | None = None
    image: npt.NDArray[np.uint8] | None = None
    prepared: PreparedImage | None = None


def _read(predictor: MapMaker, rules: Rules, with_image: bool, case: Case) -> _Read:
    if case.pair is None:
        raise DataError(case.mask, "no image is known for it", "name the set by --dataset-path")
    try:
        truth, image = read_truth(case, with_image=True)
    except UnreadableImage:
        return _Read(case)
    if image is None:
        raise ValueError("want an image")
    kept = image if with_image else None
    if rules.leave_out(case, truth):
        return _Read(case, truth, kept)
    predictor.enter_thread()
    return _Read(case, truth, kept, predictor.prepare(image))


def _seen(
    predictor: MapMaker, ahead: ReadAhead[Case, _Read], ear: Ear
) -> Iterator[tuple[_Read, npt.NDArray[np.float32] | None]]:
    """Each case with the network's logits, which alone are computed in this thread."""
    while not ahead.over:
        read = ahead.next(ear).result()
        yield read, None if read.prepared is None else predictor.look([read.prepared])[0]


def _job(predictor: MapMaker, seen: tuple[_Read, npt.NDArray[np.float32] | None]) -> Job:
    """With the map as the PNG of ``decamo predict`` has it: 0 is background, 255 is object."""
    read, logits = seen
    if read.prepared is None or logits is None:
        return Job(read.case, None, read.truth, read.image)
    predictor.enter_thread()
    probability = predictor.finish(logits, read.prepared.native)
    grey = np.rint(probability * 255).astype(np.uint8)
    return Job(read.case, grey, read.truth, read.image)


def _name(case: Case) -> Path:
    return case.mask if case.pair is None else case.pair.image
