from dataclasses import replace
from pathlib import Path

from decamo.schedule import SegmentKind, raced
from decamo.training.prepare import Prepared
from decamo.training.run_summary import run_line, run_outcome
from tests.training.test_startup_summary import prepared  # noqa: F401


def test_a_start_is_told_as_one(prepared: Prepared) -> None:  # noqa: F811
    line = run_line(prepared.trainer.settings, prepared)
    assert (line["word"], line["reason"]) == ("start", "a new run")
    assert line["ledger"] == prepared.resumption.lineage.to_plain()
    assert (line["train_images"], line["val_images"]) == (11, 3)


def test_where_a_winner_sets_out_a_branch_begins(prepared: Prepared) -> None:  # noqa: F811
    """Only there: from the next step on, a resume is a resume."""
    went = prepared.resumption
    last = replace(went.lineage.last, kind=SegmentKind.BRANCH, reason="escape, 3 trials")
    lineage = replace(went.lineage, segments=(*went.lineage.segments, last))
    winner = replace(went, kind=SegmentKind.CONTINUE, lineage=lineage, reason="no flag")
    line = run_line(prepared.trainer.settings, replace(prepared, resumption=winner))
    assert (line["word"], line["reason"]) == ("branch", "escape, 3 trials")
    told = run_outcome(replace(prepared, resumption=winner), "")
    assert (told["word"], told["reason"]) == ("branch", "escape, 3 trials")
    moved = replace(winner, position=replace(winner.position, step=1))
    line = run_line(prepared.trainer.settings, replace(prepared, resumption=moved))
    assert (line["word"], line["reason"]) == ("continue", "no flag")
    stayed = replace(winner, lineage=raced(went.lineage, went.position, "no branch is better"))
    line = run_line(prepared.trainer.settings, replace(prepared, resumption=stayed))
    assert (line["word"], line["reason"]) == ("continue", "no branch is better")


def test_what_came_of_it(prepared: Prepared, tmp_path: Path) -> None:  # noqa: F811
    told = run_outcome(prepared, "on SIGTERM")
    assert (told["epoch"], told["stopped"]) == (0, "on SIGTERM")
    assert (told["best_iou"], told["best_epoch"], told["best_model"]) == (None, None, None)
    prepared.trainer.folder.best.touch()
    assert run_outcome(prepared, "")["best_model"] == str(tmp_path / "best_model.pth")
    assert told["epochs"] == []
