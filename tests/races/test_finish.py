from pathlib import Path

import pytest

from decamo.races.judge import Gap
from decamo.races.outcome_table import RaceOutcome
from decamo.races.race import Race, begin_winner, race_outcome
from decamo.races.trial_files import write_result
from decamo.storage import RunFolder
from decamo.storage.sealed import load_sealed, save_sealed
from tests.races.build import BRANCHES, course, race, result


def over(scenes: Path, stalled: Path, tmp_path: Path, gain: float) -> tuple[Race, RaceOutcome]:
    """A race that a branch won by so much, made up."""
    at = course(scenes, stalled, tmp_path / "escape")
    at.root.mkdir()
    levels = [0.1 + 0.02 * k for k in range(40)]
    for branch in BRANCHES:
        moved = gain * (branch.name == "high")
        rungs = {
            n: [v + moved + 0.001 * ((k + n) % 3) for k, v in enumerate(levels)] for n in (0, 1, 2)
        }
        write_result(at.root, result(branch.name, rungs))
    one = race(at)
    return one, race_outcome(one)


def test_the_outcome_is_told_from_the_results_alone(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    _, outcome = over(scenes, stalled, tmp_path, 0.1)
    assert outcome.winner is not None
    assert outcome.winner.branch == "high"
    assert outcome.last_round.over


def test_without_a_winner_nobody_is_made_one(scenes: Path, stalled: Path, tmp_path: Path) -> None:
    _, outcome = over(scenes, stalled, tmp_path, 0.0)
    assert outcome.winner is None
    assert outcome.meanings


def test_a_twin_cannot_win(scenes: Path, stalled: Path, tmp_path: Path) -> None:
    one, _ = over(scenes, stalled, tmp_path, 0.0)
    write_result(one.course.root, result("twin", {n: [0.99] * 40 for n in (0, 1, 2)}))
    assert race_outcome(one).winner is None


def test_the_winner_sets_out_from_the_original_and_its_lineage_says_why(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    one, outcome = over(scenes, stalled, tmp_path, 0.1)
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    start = begin_winner(one, outcome, folder)
    assert start == folder.root / "escaped.pth"
    state = load_sealed(start)
    original = load_sealed(stalled)
    assert state["position"] == original["position"]
    assert all((state["model"][n] == t).all() for n, t in original["model"].items())
    segment = state["ledger"][-1]
    assert segment["reason"].startswith(
        "escape, 4 trials of 2 epochs: winner: high, better than the control by 0.1"
    )
    assert segment["schedule"]["stage2_lr"] == 0.01
    assert segment["schedule"]["epochs"] == 6  # the whole way, not the trial's


def test_what_is_under_way_is_gone_on_with_and_what_is_done_is_done(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    one, outcome = over(scenes, stalled, tmp_path, 0.1)
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    start = begin_winner(one, outcome, folder)
    assert start is not None
    state = load_sealed(start)
    save_sealed(folder.last, state | {"position": {"epoch": 4, "step": 20, "micro": 0}})
    assert begin_winner(one, outcome, folder) == folder.last
    save_sealed(folder.last, state | {"position": {"epoch": 6, "step": 30, "micro": 0}})
    assert begin_winner(one, outcome, folder) is None


@pytest.mark.parametrize("name", ["high", "fresh"])
def test_a_run_that_would_write_over_the_original_keeps_a_copy(
    scenes: Path, stalled: Path, tmp_path: Path, name: str
) -> None:
    best = tmp_path / "best_model.pth"
    best.write_bytes(stalled.read_bytes())
    one, outcome = over(scenes, best, tmp_path, 0.1)
    gap = Gap(name, "control", 0.1, 0.05, 0.15)
    won = RaceOutcome(**vars(outcome) | {"winner": gap})
    start = begin_winner(one, won, RunFolder(tmp_path))
    assert start is not None
    assert (tmp_path / "best_model.epoch-0002.pth").exists()
    assert bool(load_sealed(start)["optimiser"]) is (name == "high")
