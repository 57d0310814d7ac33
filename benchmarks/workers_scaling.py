"""What more scoring processes bring, beside what the machine has to give at that moment."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.metrics_way import SHARES, picture
from benchmarks.spread import Spread
from decamo.errors import DecamoError, StorageError
from decamo.evaluation.cases import sets_of_masks
from decamo.evaluation.measurer import Measurer
from decamo.evaluation.measuring import Job, Rules, measure_job
from decamo.system import clean_context

__all__ = ["Scaling", "Turns", "compare_workers", "write_pictures"]


@dataclass(frozen=True)
class Turns:
    """One way of working, timed with one process and with several, in turn.

    Attributes:
        one_s: median time with one process, in s.
        many_s: median time with several, in s.
        ratio: median over the rounds of how many times as much work they did in the same time.
        ratio_low: lower quartile.
        ratio_high: upper quartile.
    """

    one_s: float
    many_s: float
    ratio: float
    ratio_low: float
    ratio_high: float


@dataclass(frozen=True)
class Scaling:
    """What several scoring processes bring.

    Attributes:
        scoring: of the folder, by processes that have started.
        command: ``decamo evaluate`` as a whole, in a fresh interpreter, start-up included.
        machine: processes that share nothing, each with all of the folder to itself: as much as
            the machine has to give while others use it too.
        feeding_ms: CPU time of the process that hands out the work, for each image, in ms; the
            time of an image over this is how many workers it can feed.
    """

    scoring: Turns
    command: Turns
    machine: Turns
    feeding_ms: float


def write_pictures(root: Path, shape: tuple[int, int], images: int) -> tuple[Path, Path]:
    """Write 8-bit maps of made-up networks, and their masks.

    Args:
        root: folder to write to.
        shape: height and width, in px.
        images: how many.

    Returns:
        the folders of maps and masks.

    Raises:
        StorageError: they cannot be written.
    """
    rng = np.random.default_rng(0)
    folders = root / "maps", root / "masks"
    try:
        for folder in folders:
            folder.mkdir()
        for i in range(images):
            pictures = picture(rng, shape, SHARES[i % len(SHARES)])
            for folder, pixels in zip(folders, pictures, strict=True):
                Image.fromarray(pixels).save(folder / f"{i:05}.png")
    except OSError as error:
        raise StorageError(root, str(error), "free space, or set TMPDIR") from error
    return folders


def compare_workers(
    maps: Path, masks: Path, workers: int, repeats: int, command: Sequence[str]
) -> Scaling:
    """Score a folder with one process and with several, in turn.

    Args:
        maps: folder of maps.
        masks: folder of masks of the same names.
        workers: how many several are.
        repeats: rounds.
        command: the words that run ``decamo evaluate`` in a fresh interpreter.

    Raises:
        DecamoError: the command fails.
    """
    cases = sets_of_masks([("made-up", masks)], {})[0].cases
    jobs = [Job(case, maps / f"{case.stem}.png") for case in cases]
    rules = Rules()
    words = [*command, "--predictions", str(maps), "--masks", str(masks), "--resamples", "0"]
    context = clean_context()
    rounds: list[list[float]] = []
    with (
        Measurer(1, rules) as alone,
        Measurer(workers, rules) as crew,
        ProcessPoolExecutor(workers, mp_context=context) as apart,
    ):
        warm = jobs[:1] * (8 * workers)
        ways: list[Callable[[], object]] = [
            lambda: list(alone.results(jobs)),
            lambda: list(crew.results(jobs)),
            lambda: list(apart.map(_score_all, [jobs] * workers)),
            lambda: _run([*words, "--workers", "1"]),
            lambda: _run([*words, "--workers", str(workers)]),
        ]
        list(crew.results(warm))  # starts all of them
        list(apart.map(_score_all, [warm] * workers))
        for _ in range(repeats):
            began = time.process_time()
            list(crew.results(jobs))
            feeding = time.process_time() - began
            rounds.append([*(_seconds(way) for way in ways), feeding])
    one, many, own, one_command, many_command, feed = (
        list(column) for column in zip(*rounds, strict=True)
    )
    return Scaling(
        scoring=_turns(one, many),
        command=_turns(one_command, many_command),
        machine=_turns(one, [seconds / workers for seconds in own]),
        feeding_ms=1000 * statistics.median(feed) / len(jobs),
    )


def _score_all(jobs: list[Job]) -> int:
    return sum(measure_job(job, Rules()) is not None for job in jobs)


def _run(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ, check=False)
    if done.returncode:
        raise DecamoError("decamo evaluate", done.stderr.strip()[-500:], "see what it says")


def _seconds(way: Callable[[], object]) -> float:
    began = time.perf_counter()
    way()
    return time.perf_counter() - began


def _turns(one: list[float], many: list[float]) -> Turns:
    spread = Spread.of([a / b for a, b in zip(one, many, strict=True)])
    middle = statistics.median(one), statistics.median(many)
    return Turns(*middle, spread.median, spread.low, spread.high)
