"""The time of all measures of an image beside pysodmetrics, on the same pictures, in turns."""

import importlib.util
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.metrics_way import Suite
from benchmarks.spread import Spread
from benchmarks.turns import waiting
from decamo.errors import SettingsError

__all__ = ["Times", "compare_speed", "times_of"]

_NEEDS = {
    Suite.PYSODMETRICS: ("py_sod_metrics", "pysodmetrics"),
    Suite.WITH_LOOP: ("numba", "numba"),
    Suite.LOOP_ALONE: ("numba", "numba"),
}


@dataclass(frozen=True)
class Times:
    """What a suite takes.

    Attributes:
        ready_s: seconds of CPU from the start of a process until it can measure.
        ms: milliseconds an image, round by round.
    """

    ready_s: float
    ms: tuple[float, ...]

    @property
    def middle_ms(self) -> float:
        """Median over the rounds, in milliseconds an image."""
        return statistics.median(self.ms)


def times_of(
    suites: Sequence[Suite], shape: tuple[int, int], repeats: int, ground: str
) -> dict[Suite, Times]:
    """Time suites in turns, each in a process of its own.

    In its turn a suite measures some images in a row, as it would measure a data set.

    Args:
        suites: which.
        shape: height and width of the pictures in px, one for each of ``SHARES``.
        repeats: rounds over all of them.
        ground: of ``GROUNDS``; see :func:`benchmarks.metrics_way.picture`.

    Raises:
        SettingsError: a package that a suite needs is not installed.
    """
    for suite in suites:
        module, package = _NEEDS.get(suite, ("", ""))
        if module and importlib.util.find_spec(module) is None:
            got = f"{package} is not installed"
            raise SettingsError("benchmarks", got, f"pip install {package}")
    height, width = map(str, shape)
    programs = {suite.value: (suite.value, height, width, ground) for suite in suites}
    ready = {}
    for name, words in programs.items():  # one after the other: a start slows down its neighbours
        with waiting("benchmarks.metrics_way", {name: words}) as running:
            ready[name] = running[name].turn()
    with waiting("benchmarks.metrics_way", programs) as running:
        for program in running.values():
            program.turn()
        rounds = [
            {name: program.turn() for name, program in running.items()} for _ in range(repeats + 1)
        ]
    return {  # the first round warms up
        suite: Times(ready[suite], tuple(spent[suite] for spent in rounds[1:])) for suite in suites
    }


def compare_speed(shape: tuple[int, int], repeats: int, ground: str) -> dict[str, float]:
    """Milliseconds an image of decamo and pysodmetrics; arguments and errors of :func:`times_of`.

    Returns:
        ``decamo_ms`` and ``pysodmetrics_ms``, medians over the rounds, and the median and quartiles
        of the rounds' ratios: ``ratio``, ``ratio_low``, ``ratio_high``.
    """
    times = times_of((Suite.DECAMO, Suite.PYSODMETRICS), shape, repeats, ground)
    ours, theirs = times[Suite.DECAMO], times[Suite.PYSODMETRICS]
    spread = Spread.of([b / a for a, b in zip(ours.ms, theirs.ms, strict=True)])
    return {
        "decamo_ms": ours.middle_ms,
        "pysodmetrics_ms": theirs.middle_ms,
        "ratio": spread.median,
        "ratio_low": spread.low,
        "ratio_high": spread.high,
    }
