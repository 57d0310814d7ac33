"""Whatever makes maps, scored on a set: a network, or a folder that some method wrote."""

import typing
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from decamo.data.census import BadFile
from decamo.data.waiting import NOBODY, Ear
from decamo.errors import DataError, TooManyBadImages
from decamo.evaluation.cases import CaseSet
from decamo.evaluation.convention import NonCam
from decamo.evaluation.map_files import Channel, MapReading, decide_reading
from decamo.evaluation.measurer import AnyMeasurer
from decamo.evaluation.measuring import Dropped, ImageResult, Job
from decamo.evaluation.predictions import MapFolder, match_maps
from decamo.evaluation.result_journal import ResultJournal
from decamo.evaluation.score_protocol import Protocol, prints_of
from decamo.inference.prediction_log import stamp_of
from decamo.metrics import ImageMeasures
from decamo.storage.spilled import Picked, Spilled, compact_places

__all__ = ["MapMethod", "Method", "MethodOutcome", "run_method"]

_BAD_LIMIT = 0.01  # as in the census before training


class Method(typing.Protocol):
    """Whatever makes maps."""

    @property
    def name(self) -> str:
        """What it is scored under."""
        ...

    @property
    def facts(self) -> dict[str, Any]:
        """What the protocol says of it."""
        ...

    def extra(self, cases: CaseSet) -> tuple[Path, ...]:
        """Maps that belong to no mask of the set."""
        ...

    def reading(self, cases: CaseSet) -> str:
        """How its files were read where they are more than 8-bit grey levels; may be empty."""
        ...

    def jobs(self, cases: CaseSet, places: Sequence[int] | None = None) -> Iterator[Job]:
        """A job for each case, or for those at some places, in order."""
        ...

    def origins(self, cases: CaseSet) -> Sequence[Sequence[Any]]:
        """Of each case, in plain values, what makes its map what it is."""
        ...


@dataclass(frozen=True)
class MapMethod:
    """A method known by the maps it wrote.

    Attributes:
        name: to score it under.
        root: folder of maps, or of one such folder for each set.
        alone: whether there is one set only, so that ``root`` itself may hold the maps.
        missing: ``error`` or ``zero``.
        noncam: which images without an object need no map.
        channel: where the map lies in files with alpha; None: by evidence of all files.
        ear: listened to while files are looked at.
        readings: how the files of each set are read, once it is decided.
    """

    name: str
    root: Path
    alone: bool
    missing: str = "error"
    noncam: NonCam = NonCam.DROP
    channel: Channel | None = None
    ear: Ear = NOBODY
    readings: dict[str, MapReading] = field(default_factory=dict, repr=False, compare=False)

    @property
    def facts(self) -> dict[str, Any]:
        """What the protocol says of it."""
        return {"source": "maps"}

    def extra(self, cases: CaseSet) -> tuple[Path, ...]:
        """Maps that belong to no mask of the set."""
        return self._matched(cases).extra

    def reading(self, cases: CaseSet) -> str:
        """How the files were read where they are more than 8-bit grey levels; may be empty.

        Raises:
            DataError: as :func:`match_maps` and :func:`decide_reading`.
        """
        return "; ".join(self._read_as(cases, self._matched(cases).maps).remarks)

    def jobs(self, cases: CaseSet, places: Sequence[int] | None = None) -> Iterator[Job]:
        """A job for each case, or for those at some places.

        Raises:
            DataError: as :func:`match_maps` and :func:`decide_reading`.
        """
        maps = self._matched(cases).maps
        reading = self._read_as(cases, maps)
        wanted = range(len(cases.cases)) if places is None else places
        return (Job(cases.cases[n], maps[n], reading=reading) for n in wanted)

    def origins(self, cases: CaseSet) -> Sequence[Sequence[Any]]:
        """Of each case the file of its map, and how it is read."""
        maps = self._matched(cases).maps
        reading = asdict(self._read_as(cases, maps))
        return Picked.each(maps, lambda path: (path and [str(path), *stamp_of(path)], reading))

    def _read_as(self, cases: CaseSet, maps: Sequence[Path | None]) -> MapReading:
        # once a set: the few cases that the atlas draws are read as all of them were
        if cases.name not in self.readings:
            files = (path for path in maps if path is not None)
            self.readings[cases.name] = decide_reading(self.name, files, self.channel, self.ear)
        return self.readings[cases.name]

    def _matched(self, cases: CaseSet) -> MapFolder:
        return match_maps(
            self.name, self.root, cases, alone=self.alone, missing=self.missing, noncam=self.noncam
        )


@dataclass(frozen=True)
class MethodOutcome:
    """One method on one set.

    Attributes:
        results: of the scored images, in the order of the cases.
        protocol: how they came about.
        bad: cases that cannot be read and were left out.
        extra: maps that belong to no mask.
        others: scores of the images that the other rules score, in order.
        faint: stems and greatest levels of masks in which nothing counts as object, though they
            are not black.
    """

    results: Sequence[ImageResult]
    protocol: Protocol
    bad: tuple[BadFile, ...]
    extra: tuple[Path, ...]
    others: Sequence[ImageMeasures] = ()
    faint: tuple[tuple[str, int], ...] = ()


def run_method(
    method: Method,
    cases: CaseSet,
    measurer: AnyMeasurer,
    *,
    split: str,
    on_done: Callable[[], None] = lambda: None,
    journal: ResultJournal | None = None,
) -> MethodOutcome:
    """Score every case of a set.

    Args:
        method: what makes the maps.
        cases: the set.
        measurer: scores them.
        split: for the protocol; may be empty.
        on_done: called after each case.
        journal: where results are kept as they come, and those of before are found; or nowhere.

    Raises:
        TooManyBadImages: over 1 % of the cases cannot be read.
        DataError: nothing is left to score, or a map is missing or of another size.
    """
    rules = measurer.rules
    extra = method.extra(cases)
    reading = method.reading(cases)
    good: Spilled[ImageResult | Dropped] = Spilled()
    scored, others, bad = array("Q"), array("Q"), list[BadFile]()
    faint: list[tuple[str, int]] = []
    for one in _every_result(method, cases, measurer, on_done, journal):
        if isinstance(one, BadFile):
            bad.append(one)
            continue
        if isinstance(one, ImageResult):
            scored.append(len(good))
        if one.other is not None:
            others.append(len(good))
        if one.faint:
            faint.append((one.stem, one.faint))
        good.append(one)
    results: Sequence[ImageResult] = Picked(good, scored, _result)
    dropped = len(good) - len(results)
    _refuse(cases, results, bad)
    names, masks = prints_of(results)
    protocol = Protocol(
        names=names,
        masks=masks,
        images=len(results),
        dropped=dropped,
        unreadable=len(bad),
        missing=sum(r.missing for r in results),
        resized=sum(r.resized for r in results),
        split=split,
        noncam=rules.noncam,
        convention=rules.convention,
        stretch=rules.stretch,
        resize=rules.convention.resizing if rules.resize else "never",
        reading=reading,
        meaning=cases.meaning,
        **method.facts,
    )
    return MethodOutcome(
        results,
        protocol,
        tuple(bad),
        extra,
        others=Picked(good, others, _other),
        faint=tuple(faint),
    )


def _every_result(
    method: Method,
    cases: CaseSet,
    measurer: AnyMeasurer,
    on_done: Callable[[], None],
    journal: ResultJournal | None,
) -> Iterator[ImageResult | Dropped | BadFile]:
    """Results in the order of the cases; what is in the journal is not scored again."""
    if journal is None:
        yield from measurer.results(method.jobs(cases), on_done)
        return
    keys = journal.keys(cases.cases, method.origins(cases))
    lacking = compact_places(n for n in range(len(keys)) if not journal.has(keys[n]))
    due = iter(lacking)
    fresh = measurer.results(method.jobs(cases, lacking), on_done)
    awaited = next(due, None)
    for place in range(len(keys)):
        if place != awaited:
            yield journal.get(keys[place])
            on_done()
            continue
        result, awaited = next(fresh), next(due, None)
        if not isinstance(result, BadFile):
            journal.put(keys[place], result)
        yield result


def _result(one: ImageResult | Dropped) -> ImageResult:
    assert isinstance(one, ImageResult)
    return one


def _other(one: ImageResult | Dropped) -> ImageMeasures:
    assert one.other is not None
    return one.other


def _refuse(cases: CaseSet, results: Sequence[ImageResult], bad: Sequence[BadFile]) -> None:
    if len(bad) > _BAD_LIMIT * len(cases.cases):
        raise TooManyBadImages(
            cases.name,
            f"{len(bad)} of {len(cases.cases)} masks or images cannot be read, such as "
            f"{bad[0].path}: {bad[0].reason}",
            "unpack or download the data set again, or remove these pairs",
        )
    if not results:
        raise DataError(
            cases.name,
            "nothing to score: every mask is empty or NonCAM",
            "check the mask folder, or give --noncam negatives",
        )
