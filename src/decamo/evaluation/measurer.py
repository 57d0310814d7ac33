"""Maps against masks in several processes; the results do not depend on how many."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from multiprocessing import forkserver
from types import TracebackType

from decamo.data.census import BadFile
from decamo.errors import DecamoError
from decamo.evaluation.measuring import Dropped, ImageResult, Job, Rules, measure_job
from decamo.system import clean_context

__all__ = ["Measurer"]

_FOR_ATLAS = ("decamo.evaluation.atlas", "decamo.evaluation.contrast")


class Measurer(AbstractContextManager["Measurer"]):
    """A pool of processes that scores jobs in order.

    Args:
        workers: processes; 1 or less scores in this one.
        rules: how each image is scored.
    """

    def __init__(self, workers: int, rules: Rules) -> None:
        self.rules = rules
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None
        if workers > 1:
            # A fork of a process with torch's threads may hang; a fork server forks a clean one
            # that has imported everything once.
            context = clean_context([__name__, *(_FOR_ATLAS if rules.atlas else ())])
            if context.get_start_method() == "forkserver":
                # It imports while this process matches maps, or a network makes the first one.
                forkserver.ensure_running()
            self._pool = ProcessPoolExecutor(workers, mp_context=context)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def results(
        self, jobs: Iterable[Job], on_done: Callable[[], None] = lambda: None
    ) -> Iterator[ImageResult | Dropped | BadFile]:
        """Results in the order of the jobs, of which only a few are held at a time.

        Args:
            jobs: what to score; may be made while others are scored.
            on_done: called after each.

        Raises:
            DecamoError: as :func:`measure_job`, or a process died.
        """
        if self._pool is None:
            for job in jobs:
                result = measure_job(job, self.rules)
                on_done()
                yield result
            return
        waiting: deque[Future[ImageResult | Dropped | BadFile]] = deque()
        try:
            for job in jobs:
                waiting.append(self._pool.submit(measure_job, job, self.rules))
                if len(waiting) > 4 * self._workers:
                    yield waiting.popleft().result()
                    on_done()
            while waiting:
                yield waiting.popleft().result()
                on_done()
        except BrokenProcessPool as error:
            raise DecamoError(
                "--workers", "a scoring process died, perhaps for want of memory", "give fewer"
            ) from error
