import io
from pathlib import Path

import pytest

from decamo.checkpoint.load_save import load_checkpoint
from decamo.errors import SettingsError
from decamo.history import EpochDone, Event, Saved
from decamo.races.session import begin_race, course_of
from decamo.races.trial import Course
from decamo.report.console import Console
from decamo.schedule import Position
from decamo.training.data_splits import find_splits
from decamo.training.runtime import open_runtime
from decamo.training.stops import Budget
from tests.history.test_records import RECORD
from tests.races.build import BRANCHES, settings_of


def put_together(scenes: Path, stalled: Path, root: Path) -> Course:
    state = load_checkpoint(stalled)
    settings = settings_of(scenes, state, stalled)
    root.parent.mkdir(parents=True, exist_ok=True)
    splits = find_splits(settings.data, root.parent / "census.json", lambda _done, _of: None)
    runtime = open_runtime("cpu", "fp32")
    return course_of(
        root, stalled, settings, state, splits, runtime,
        epochs=2, stop=lambda: "", clock=lambda: 0.0,
    )  # fmt: skip


def test_a_race_stands_where_its_checkpoint_does(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    here = put_together(scenes, stalled, tmp_path / "run" / "escape").start
    assert here.done == 2
    assert here.batchnorm
    assert here.snapshots == 2  # of epochs 1 and 2: those of later ones do not count


def test_it_is_told_where_it_begins_and_where_it_goes_on(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    out = io.StringIO()
    budget = Budget("1h", 3600, lambda: 0.0, 0.0)
    heard: list[Event] = []
    with Console(out, lambda: 0.0) as con:
        at = put_together(scenes, stalled, tmp_path / "run" / "escape")
        begin_race(at, BRANCHES, con, budget)
        race = begin_race(at, BRANCHES, con, budget, keep_all=True, on_event=heard.append)
        saved = Saved(stalled, Position(), 99.0)
        for event in (EpochDone(RECORD, best=True), saved):
            race.on_event("high", event)
    first, second, epoch = out.getvalue().splitlines()
    assert first.startswith("a race: 4 branches of ")
    assert second.startswith("the race goes on: 4 branches of ")
    assert epoch == f"high     {RECORD.line()}"
    assert len(heard) == 2
    assert budget.spent() == ""
    assert Budget("2m", 120, lambda: 0.0, 0.0).spent() == ""
    assert max(budget._saves) == 99.0
    with pytest.raises(SettingsError, match="another set of branches"):
        begin_race(at, BRANCHES[:3], Console(io.StringIO(), lambda: 0.0), None)
