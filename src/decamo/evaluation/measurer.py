"""Maps against masks in several processes; the results do not depend on how many."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver
from types import TracebackType
from typing import Protocol

from decamo.data.census import BadFile
from decamo.data.crew import Crew
from decamo.data.deaths import Crash
from decamo.data.read_ahead import patient_read
from decamo.data.waiting import LISTEN_S, NOBODY, Ear, Patience, Wait
from decamo.errors import DecamoError
from decamo.evaluation.measuring import Dropped, ImageResult, Job, Rules, measure_job
from decamo.system import clean_context

__all__ = ["AnyMeasurer", "Measurer", "warm_up"]

_FOR_ATLAS = ("decamo.evaluation.error_analysis",)
_START_S = 120.0  # a cold start imports the whole package from what may be a slow disk
_HELD = 4  # jobs of each process that are held at a time
# A network's threads wait for each other after every layer, turning: whoever takes the core of one
# takes those of all. At a tenth of their weight scoring has the cores when they have no image.
_NICE = 10

_Result = ImageResult | Dropped | BadFile


@dataclass(frozen=True)
class _Scoring:
    """What is done with a job, here or in a scoring process.

    Attributes:
        rules: how it is scored.
        aside: whether it is a process of its own, which leaves the cores to a network.
    """

    rules: Rules
    aside: bool = False

    def __call__(self, job: Job) -> _Result:
        """Its result."""
        if self.aside:
            _step_back()
        return measure_job(job, self.rules)


@cache
def _step_back() -> None:
    """Let this process have less of the cores than others; of a system that knows such a thing."""
    if hasattr(os, "nice"):
        os.nice(_NICE)


class AnyMeasurer(Protocol):
    """What scores jobs in order, wherever.

    Attributes:
        rules: how each image is scored.
    """

    @property
    def rules(self) -> Rules: ...  # noqa: D102

    def results(
        self, jobs: Iterable[Job], on_done: Callable[[], None] = lambda: None
    ) -> Iterator[ImageResult | Dropped | BadFile]:
        """Results in the order of the jobs; see :class:`Measurer`."""


class Measurer(AbstractContextManager["Measurer"]):
    """A crew of processes that scores jobs in order.

    A process that dies is replaced, and what it had is scored again; where several die in short
    time fewer go on, and in the end this one.

    Args:
        workers: processes; 1 or less scores in this one.
        rules: how each image is scored.
        ear: told in a line when a process died or a file is late.
        aside: whether a network makes the maps meanwhile, to which the cores are left.
    """

    def __init__(
        self, workers: int, rules: Rules, ear: Ear = NOBODY, *, aside: bool = False
    ) -> None:
        self.rules = rules
        self._workers, self._ear = workers, ear
        self._patience = Patience(ear.give_up_s)
        self._given = 0  # jobs, ever: what is left of an earlier set is told apart
        self._crew: Crew[Job, _Result] | None = None
        if workers > 1:
            self._crew = Crew(
                _Scoring(rules, aside),
                workers,
                method=warm_up(rules),
                what="scoring process",
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._crew is not None:
            self._crew.close()

    def results(
        self, jobs: Iterable[Job], on_done: Callable[[], None] = lambda: None
    ) -> Iterator[ImageResult | Dropped | BadFile]:
        """Results in the order of the jobs, of which only a few are held at a time.

        Args:
            jobs: what to score; may be made while others are scored.
            on_done: called after each.

        Raises:
            DecamoError: as :func:`measure_job`, or process after process died of one job.
            DataStalled: a job is not scored to its end.
        """
        under_way = _UnderWay(self._given)
        for job in jobs:
            under_way.add(job, self._crew)
            self._given += 1
            if self._crew is not None:
                self._hear(self._crew, under_way, 0.0)
            while under_way.held > _HELD * self._workers * (self._crew is not None):
                yield self._next(under_way)
                on_done()
        while under_way.held:
            yield self._next(under_way)
            on_done()

    def _next(self, under_way: "_UnderWay") -> _Result:
        """The result of the oldest job."""
        wait = Wait(self._patience.clock)
        while self._crew is not None and under_way.next not in under_way.results:
            self._hear(self._crew, under_way, LISTEN_S)
            waited = wait.look()
            if self._crew is not None and under_way.next not in under_way.results:
                self._judge(self._crew, under_way, waited)
        found = under_way.taken()
        if isinstance(found, BaseException):
            raise found
        if not isinstance(found, Job):
            return found
        return patient_read(_Scoring(self.rules), found, self._ear, lambda job: job.case.mask)

    def _hear(self, crew: Crew[Job, _Result], under_way: "_UnderWay", seconds: float) -> None:
        """Take in what was answered; give the crew up where nobody is left of it."""
        try:
            for answer in crew.poll(seconds):
                self._patience.took(answer.seconds)
                outcome = answer.value if answer.error is None else answer.error
                if answer.number in under_way.jobs and outcome is not None:
                    under_way.results[answer.number] = outcome
        except Crash as crash:
            if (job := under_way.jobs.get(crash.number)) is not None:
                under_way.results[crash.number] = DecamoError(
                    job.case.stem, crash.reason, "export its map and mask again"
                )
        for line in crew.notes:
            self._ear.say(line)
        crew.notes.clear()
        if crew.lost:
            crew.close()
            self._crew = None

    def _judge(self, crew: Crew[Job, _Result], under_way: "_UnderWay", waited: float) -> None:
        number = under_way.next
        if crew.starts(number) and waited < _START_S:
            return
        late = self._patience.judge(
            number,
            waited,
            lambda: crew.state_of(number) or "a scoring process does not answer",
            lambda: under_way.jobs[number].case.stem,
        )
        if late and crew.hedge(number):
            self._patience.notes[-1] += ", and another process tries"
            under_way.hedged.add(number)
        for line in self._patience.take_notes():
            self._ear.say(line)


class _UnderWay:
    """Jobs that were given out and whose results nobody has taken yet, by number."""

    def __init__(self, first: int) -> None:
        self.next = first
        self.jobs: dict[int, Job] = {}
        self.results: dict[int, _Result | BaseException] = {}
        self.hedged: set[int] = set()
        self._crew: Crew[Job, _Result] | None = None

    @property
    def held(self) -> int:
        """How many."""
        return len(self.jobs)

    def add(self, job: Job, crew: Crew[Job, _Result] | None) -> None:
        """Give out one more."""
        number = self.next + len(self.jobs)
        self.jobs[number] = job
        self._crew = crew
        if crew is not None:
            crew.give(number, job)

    def taken(self) -> _Result | BaseException | Job:
        """The oldest job's result; the job itself where nobody has scored it."""
        number = self.next
        self.next += 1
        job = self.jobs.pop(number)
        if number in self.hedged and self._crew is not None and not self._crew.lost:
            self._crew.drop(number)  # whoever was late with it
        return self.results.pop(number, job)


def warm_up(rules: Rules) -> str:
    """How processes start: from a clean one that has imported everything once, where there is such.

    A fork of a process with torch's threads may hang. The clean one imports what scoring by these
    rules needs while this process goes on: the earlier it is asked for, the less is waited for it.
    """
    method = clean_context([__name__, *(_FOR_ATLAS if rules.atlas else ())]).get_start_method()
    if method == "forkserver":
        forkserver.ensure_running()
    return str(method)
