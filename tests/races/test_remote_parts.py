"""What a trial on a cluster runs, run here: handed out one after another by this process."""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from decamo.cluster.tasks import one_after_another
from decamo.errors import CheckpointError
from decamo.history import EpochDone, Event, Saved
from decamo.races import remote_trials
from decamo.races.remote_trials import RemoteTrials
from decamo.races.trial import advance
from decamo.races.trial_files import Result
from tests.races.build import BRANCHES, course

HIGH = BRANCHES[2]


@pytest.fixture(autouse=True)
def _nothing_is_held() -> Iterator[None]:
    """Of the checkpoint and the images, which a worker holds until it ends."""
    yield
    remote_trials._held.cache_clear()


def sent(work: Any, shared: Any, items: Any, **how: Any) -> Iterator[tuple[str, Any]]:
    """Each in turn, as it comes to another process."""
    return one_after_another(*pickle.loads(pickle.dumps((work, shared, items))), **how)


def untimed(result: Result) -> Result:
    rungs = {n: replace(r, seconds=0.0, train_seconds=0.0) for n, r in result.rungs.items()}
    return replace(result, rungs=rungs)


def test_a_trial_there_comes_to_what_it_comes_to_here(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    heard: list[tuple[str, Event]] = []
    events: list[Event] = []
    pieces: list[float] = []
    here, there = (course(scenes, stalled, tmp_path / name / "race") for name in "ab")
    expected, _ = advance(here, HIGH, 1, events.append)
    trials = RemoteTrials(sent, "cpu", "fp32", lambda _: None, pieces.append)
    ((found, why),) = trials(there, [HIGH], 1, lambda *told: heard.append(told))
    assert why == ""
    assert untimed(found) == untimed(expected)
    assert {name for name, _ in heard} == {"high"}
    worth_it = [event for event in events if isinstance(event, EpochDone | Saved)]
    assert [type(event) for _, event in heard] == [type(event) for event in worth_it]
    done = [event.record.iou for _, event in heard if isinstance(event, EpochDone)]
    assert done == [event.record.iou for event in events if isinstance(event, EpochDone)]
    assert pieces
    assert pieces == sorted(pieces)  # only one that is longer than those before


def test_a_trial_there_stops_when_it_is_asked_to(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    asked: list[int] = []

    def stop() -> str:
        asked.append(1)
        return "on SIGTERM" if len(asked) > 3 else ""

    at = course(scenes, stalled, tmp_path / "race", stop=stop)
    said: list[str] = []

    def dying(work: Any, shared: Any, items: Any, **how: Any) -> Iterator[tuple[str, Any]]:
        how["on_event"]("high", "its worker died")
        return sent(work, shared, items, **how)

    trials = RemoteTrials(dying, "cpu", "fp32", said.append)
    ((found, why),) = trials(at, BRANCHES[2:], 1, lambda _name, _event: None)  # the other not begun
    assert why == "on SIGTERM"
    assert said == ["high: its worker died"]
    assert found.name == "high"
    assert 1 not in found.rungs


def test_a_checkpoint_that_has_changed_is_refused(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    path = tmp_path / "there.pth"
    path.write_bytes(stalled.read_bytes())
    at = course(scenes, path, tmp_path / "race")

    def later(work: Any, shared: Any, items: Any, **how: Any) -> Iterator[tuple[str, Any]]:
        path.write_bytes(b"another")
        return sent(work, shared, items, **how)

    trials = RemoteTrials(later, "cpu", "fp32", lambda _: None)
    with pytest.raises(CheckpointError, match="no longer, the checkpoint that the race was begun"):
        list(trials(at, [HIGH], 1, lambda _name, _event: None))
