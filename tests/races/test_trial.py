import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from decamo.errors import TrainingDiverged
from decamo.history import Event, StepDone
from decamo.races.trial import advance, branch_state
from decamo.races.trial_files import LostKind, LostTrial, read_result
from decamo.storage.sealed import load_sealed
from decamo.training.trainer import Trainer
from tests.races.build import BRANCHES, course

CONTROL, TWIN, HIGH, FRESH = BRANCHES


def quiet(_: Event) -> None: ...


def test_a_trial_is_a_run_that_ends_at_its_rung(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    at = course(scenes, stalled, tmp_path / "escape")
    found, why = advance(at, HIGH, 1, quiet)
    assert why == ""
    assert sorted(found.rungs) == [0, 1]
    assert found == read_result(at.root, "high")
    folder = at.root / "high"
    state = load_sealed(folder / "last.pth")
    assert state["position"]["epoch"] == 3
    segment = state["ledger"][-1]
    assert (segment["word"], segment["at_epoch"]) == ("branch", 2)
    assert segment["reason"].startswith("a trial of 2 epochs from epoch-0002.pth")
    assert "--stage2-lr 0.0001 -> 0.01" in segment["reason"]
    lines = (folder / "journal.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds[0] == "run"
    assert found.rungs[1].steps == kinds.count("step")
    assert len(found.rungs[1].ious) == len(at.splits.val)


def test_rungs_one_by_one_end_where_both_at_once_do(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    one, two = (course(scenes, stalled, tmp_path / n / "escape") for n in ("one", "two"))
    advance(one, HIGH, 1, quiet)
    stepwise, _ = advance(one, HIGH, 2, quiet)
    at_once, _ = advance(two, HIGH, 2, quiet)
    assert stepwise == at_once
    assert advance(one, HIGH, 2, quiet) == (stepwise, "")  # nothing is left to do


def test_the_control_is_the_run_left_alone(scenes: Path, stalled: Path, tmp_path: Path) -> None:
    at = course(scenes, stalled, tmp_path / "escape")
    found, _ = advance(at, CONTROL, 1, quiet)
    own = branch_state(at, CONTROL, at.start.settings, "").history
    assert len(own) == 2
    assert found.rungs[0].iou == pytest.approx(own[-1].iou)
    assert found.rungs[1].rate == at.start.rate


def test_stopped_anywhere_no_step_is_made_twice(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    whole, _ = advance(course(scenes, stalled, tmp_path / "whole"), HIGH, 2, quiet)
    made: Counter[int] = Counter()

    def note(event: Event) -> None:
        if isinstance(event, StepDone):
            made[event.record.step] += 1

    asked = [0]

    def stop() -> str:
        asked[0] += 1
        return "enough" if asked[0] > 1 else ""

    at = course(scenes, stalled, tmp_path / "parts", stop=stop)
    stops = -1
    for _ in range(40):
        asked[0] = 0
        stops += 1
        found, why = advance(at, HIGH, 2, note)
        if not why:
            break
    assert stops > 2
    assert set(made.values()) == {1}
    assert found == whole


def test_a_trial_that_diverges_is_lost_but_a_control_is_an_error(
    scenes: Path, stalled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Trainer) -> None:
        raise TrainingDiverged("training", "no finite loss", "give a lower rate")

    monkeypatch.setattr(Trainer, "run", broken)
    at = course(scenes, stalled, tmp_path / "escape")
    found, why = advance(at, HIGH, 2, quiet)
    assert (found.lost, why) == (LostTrial(LostKind.DIVERGED, "no finite loss"), "")
    assert read_result(at.root, "high").lost
    with pytest.raises(TrainingDiverged):
        advance(at, CONTROL, 2, quiet)


def test_scores_without_which_a_checkpoint_is_worth_nothing_make_it_begin_anew(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    at = course(scenes, stalled, tmp_path / "escape")
    found, _ = advance(at, FRESH, 1, quiet)
    (at.root / "fresh.json").unlink()
    again, _ = advance(at, FRESH, 1, quiet)
    assert again == found
    (at.root / "fresh" / "last.pth").write_bytes(b"")
    for path in (at.root / "fresh").glob("*.previous.pth"):
        path.unlink()
    assert advance(replace(at), FRESH, 1, quiet)[0] == found
