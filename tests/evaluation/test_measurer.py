import multiprocessing
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from decamo.data.waiting import Ear
from decamo.errors import DataError, DataStalled
from decamo.evaluation import ImageResult, Job, Measurer, Rules


def test_order_and_bits_do_not_depend_on_the_number_of_processes(jobs: list[Job]) -> None:
    told: list[int] = []
    with Measurer(1, Rules(atlas=True)) as one, Measurer(2, Rules(atlas=True)) as two:
        alone = list(one.results(jobs * 4))
        many = list(two.results(iter(jobs * 4), lambda: told.append(1)))
    assert all(_equal(a, b) for a, b in zip(alone, many, strict=True))
    assert len(told) == len(jobs) * 4


def _equal(a: object, b: object) -> bool:
    assert isinstance(a, ImageResult)
    assert isinstance(b, ImageResult)
    curves = all(
        np.array_equal(getattr(a.measures, f), getattr(b.measures, f)) for f in vars(a.measures)
    )
    same = replace(a, measures=b.measures) == b
    return curves and same


@pytest.mark.skipif(not hasattr(os, "nice"), reason="this system knows no such thing")
@pytest.mark.parametrize("aside", [True, False])
def test_scoring_leaves_the_cores_to_a_network_alone(jobs: list[Job], aside: bool) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    with Measurer(2, Rules(), aside=aside) as two:
        list(two.results(jobs * 4))
        levels = {
            os.getpriority(os.PRIO_PROCESS, child.pid)
            for child in multiprocessing.active_children()
            if child.pid
        }
    assert min(19, own + 10) in levels if aside else levels == {own}
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_an_error_in_a_process_reaches_the_caller(jobs: list[Job]) -> None:
    bad = replace(jobs[0], map=np.zeros((6, 6), np.uint8))
    with Measurer(2, Rules()) as two, pytest.raises(DataError, match="--resize"):
        list(two.results([*jobs, bad]))


def _disturb(sign: signal.Signals, count: int) -> None:
    for child in multiprocessing.active_children()[:count]:
        if child.pid:
            with suppress(ProcessLookupError):
                os.kill(child.pid, sign)


@pytest.mark.parametrize(
    ("every", "count", "words"),
    [
        (10**6, 0, ""),
        (7, 1, "was killed (SIGKILL"),
        (5, 9, "was killed (SIGKILL"),
        (1, 9, "this process does their work"),
    ],
)
def test_scores_are_the_same_whoever_is_killed(
    jobs: list[Job], every: int, count: int, words: str
) -> None:
    said: list[str] = []
    with Measurer(1, Rules()) as one:
        alone = list(one.results(jobs * 6))
    with Measurer(2, Rules(), Ear(say=said.append)) as two:
        many = []
        for number, result in enumerate(two.results(iter(jobs * 6))):
            many.append(result)
            if number % every == 0:
                _disturb(signal.SIGKILL, count)
                time.sleep(0.02)
    assert all(_equal(a, b) for a, b in zip(alone, many, strict=True))
    assert any(words in line for line in said) == bool(words)
    assert multiprocessing.active_children() == []


def test_a_scoring_process_that_stands_still_is_named_and_another_scores(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with Measurer(1, Rules()) as one:
        alone = list(one.results(jobs * 6))
    with Measurer(2, Rules(), Ear(say=said.append)) as two:
        monkeypatch.setattr(two._patience, "clock", lambda: 30 * time.monotonic())
        many = []
        for number, result in enumerate(two.results(iter(jobs * 6))):
            many.append(result)
            if number == 3:
                _disturb(signal.SIGSTOP, 1)
    assert all(_equal(a, b) for a, b in zip(alone, many, strict=True))
    assert any("was stopped (SIGSTOP)" in line and "another process tries" in line for line in said)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_map_that_is_never_read_to_its_end_is_named(
    jobs: list[Job], tmp_path: Path, workers: int
) -> None:
    fifo = tmp_path / "stalled.png"
    os.mkfifo(fifo)
    stuck = [jobs[0], replace(jobs[1], map=fifo), *jobs]
    with Measurer(workers, Rules(), Ear(give_up_s=1.0)) as crew:
        list(crew.results(jobs))
        with pytest.raises(DataStalled, match="see whether its disk answers"):
            list(crew.results(stuck))
    with os.fdopen(os.open(fifo, os.O_RDWR | os.O_NONBLOCK), "wb"):
        time.sleep(0.05)  # a thread that waits for it is let go
    assert multiprocessing.active_children() == []
