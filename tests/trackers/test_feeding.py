"""Which trackers a run is fed to; the tracker here is made up, and no package of one is loaded."""

import importlib.util
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from decamo.errors import SettingsError
from decamo.history import Event, Journal, Saved, StepDone, StepRecord
from decamo.schedule import Position
from decamo.settings import TrainSettings
from decamo.settings.plain import from_plain
from decamo.storage import RunFolder
from decamo.trackers import Row, feeding
from decamo.trackers.feeding import check_trackers, complete_trackers, open_trackers
from decamo.trackers.tracking import TrackedRun

STEPS = 5


@dataclass
class Made:
    """A tracker that holds what it was given."""

    runs: list[TrackedRun] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    id: str = "made"

    def open(self, run: TrackedRun) -> "Made":
        self.runs.append(run)
        return self

    def position(self) -> int | None:
        return len(self.steps)

    def log(self, rows: Sequence[Row]) -> None:
        self.steps += [step for step, _ in rows]

    def close(self) -> None: ...


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Who is there under the word ``wandb``."""
    found = Made()
    monkeypatch.setitem(feeding._SERVICES, "wandb", feeding._Service(found.open, None))
    return found


def settings_of(*trackers: str) -> TrainSettings:
    return from_plain({"run": {"tracker": list(trackers)}})


def events() -> list[Event]:
    steps = [StepRecord(n, 1, 0.5, {}, {"head": 0.1}, 1.0) for n in range(STEPS)]
    return [StepDone(one, one.step + 1, STEPS + 1) for one in steps]


def test_a_tracker_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    check_trackers(settings_of("none"))
    with pytest.raises(SettingsError, match=r"--tracker: mlflow is not .*decamo\[mlflow\]"):
        check_trackers(settings_of("tensorboard", "mlflow"))


def test_a_run_is_fed_to_each_of_its_trackers(made: Made, tmp_path: Path) -> None:
    said: list[str] = []
    settings, folder = settings_of("tensorboard", "wandb"), RunFolder(tmp_path)
    with ExitStack() as stack:
        fed = open_trackers(stack, settings, folder, 0, True, said.append)
        assert len(fed) == 2
        for event in (*events(), Saved(folder.last, Position(0, STEPS), 0.0)):
            for feed in fed:
                feed(event)
    assert said == []
    assert made.steps == [*range(STEPS)]
    assert made.runs[0].folder == tmp_path
    assert made.runs[0].settings["run"]["tracker"] == ["tensorboard", "wandb"]
    assert list(folder.tensorboard.iterdir())


def test_what_a_tracker_lacks_of_a_run_that_is_over_is_sent(made: Made, tmp_path: Path) -> None:
    said: list[str] = []
    folder = RunFolder(tmp_path)
    with Journal(folder.journal, said.append) as journal:
        for event in events():
            journal.on_event(event)
    made.steps += [0, 1]  # it had these before the kill
    for _ in range(2):  # the second finds nothing to do
        complete_trackers(settings_of("tensorboard", "wandb"), folder, STEPS, said.append)
    assert said == []
    assert made.steps == [*range(STEPS)]
    assert len(made.runs) == 1
