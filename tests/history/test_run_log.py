import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decamo.diagnosis.rates import plan_ahead
from decamo.history import (
    Baseline,
    EpochDone,
    Journal,
    LogSegment,
    Point,
    RolledBack,
    StageStarted,
    StepDone,
    StepRecord,
    TrainingLog,
    join,
    log_of_journal,
)
from decamo.history.run_log import log_of_entries
from decamo.schedule import Lineage, Position, Segment, SegmentKind, resume, rolled_back
from decamo.settings import ScheduleSettings, TrainSettings
from decamo.settings.plain import to_plain
from tests.history.test_records import RECORD

SCHEDULE = ScheduleSettings(epochs=86, stage1_epochs=30, stage2_lr=0.00005, scheduler="none")
LEDGER = Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, SCHEDULE, 40),))


def run_line(word: str, lineage: Lineage) -> dict[str, Any]:
    schedule = lineage.last.schedule
    return {
        "word": word,
        "reason": "because",
        "settings": to_plain(replace(TrainSettings(), schedule=schedule)),
        "ledger": lineage.to_plain(),
        "train_images": 40,
        "val_images": 5,
        "device": "cuda:0",
    }


def begin(journal: Journal, word: str, lineage: Lineage, epoch: int) -> None:
    journal.write("run", run_line(word, lineage))
    if word != "continue":
        journal.on_event(Baseline(epoch, 0.125, 0.2, 0.1))
    journal.on_event(StageStarted(lineage.plan.stage_of_epoch(epoch), epoch))


def train(journal: Journal, epochs: range, iou: float) -> None:
    for epoch in epochs:
        for i, norm in enumerate((1.0, 2.0, math.nan, 9.0)):
            step = StepRecord(4 * epoch + i, epoch, 0.5, {}, {"head": 0.1}, norm, math.isnan(norm))
            journal.on_event(StepDone(step, i + 1, 4))
        journal.on_event(EpochDone(replace(RECORD, epoch=epoch, iou=iou), best=False))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_a_point_holds_what_the_record_and_its_steps_hold(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal, "start", LEDGER, 1)
        train(journal, range(1, 3), 0.5)
    past = log_of_journal(path)
    assert past.points[0] == Point(
        epoch=1,
        loss=RECORD.loss,
        iou=0.5,
        dice=RECORD.dice,
        mae=RECORD.mae,
        lr=0.0002,
        rates={"head": 0.0002, "backbone.0": 0.0},
        stage=2,
        step=59508,
        img_size=384,
        seconds=110.0,
        usage=(0.25, 0.75),
        val_images=40,
        iou_sd=0.25,
        object_share=0.09,
        predicted_share=0.1,
        sure_wrong=0.3,
        skipped=2,
        grad_norm=2.0,
        gates=((0.5, 0.5), (0.0, 1.0)),
        routing_entropy=(0.75, 0.0),
        routing_balance=(1.0, 0.0),
    )
    assert past.stretches == (
        LogSegment(
            1,
            "start",
            "because",
            to_plain(replace(TrainSettings(), schedule=SCHEDULE)),
            planned_end=86,
            train_images=40,
            val_images=5,
            device="cuda:0",
            baseline_iou=0.125,
            lineage=LEDGER,
        ),
    )
    assert (past.source, past.notes) == (str(path), ())


@pytest.mark.parametrize(
    "broken",
    [
        {"gates": None},
        {"gates": [[0.5, 0.5], [1.0]]},
        {"gates": [[], []]},
        {"gates": [[0.5, "x"], [0.0, 1.0]]},
        {"gates": [[2.0, 0.5], [0.0, 1.0]]},
        {"gates": 3, "routing_entropy": {}},
    ],
)
def test_gates_that_make_no_table_are_not_known(broken: dict[str, Any]) -> None:
    entry = {"kind": "epoch", **RECORD.to_plain(), **broken}
    point = log_of_entries([entry]).points[0]
    assert (point.gates, point.routing_entropy, point.routing_balance) == ((), (), ())
    assert point.usage == (0.25, 0.75)


def test_a_journal_of_before_has_no_gates() -> None:
    plain = RECORD.to_plain()
    for name in ("gates", "routing_entropy", "routing_balance"):
        del plain[name]
    point = log_of_entries([{"kind": "epoch", **plain}]).points[0]
    assert point.gates == ()
    assert point.iou == RECORD.iou


def test_a_branch_is_planned_to_its_own_end(path: Path) -> None:
    wanted = ScheduleSettings(epochs=120, skip_stage1=True, stage3_epochs=10)
    branch = resume(LEDGER, wanted, Position(86, 860), images=40)
    with Journal(path) as journal:
        begin(journal, "branch", branch.lineage, 87)
    (stretch,) = log_of_journal(path).stretches
    assert (stretch.first_epoch, stretch.word, stretch.planned_end) == (87, "branch", 130)
    assert log_of_journal(path).notes == ("no epoch is finished",)


def test_epochs_after_an_earlier_checkpoint_were_left_behind(path: Path) -> None:
    branch = resume(LEDGER, ScheduleSettings(skip_stage1=True), Position(40, 400), images=40)
    with Journal(path) as journal:
        begin(journal, "start", LEDGER, 1)
        train(journal, range(1, 45), 0.25)
        begin(journal, "branch", branch.lineage, 41)
        train(journal, range(41, 43), 0.75)
    past = log_of_journal(path)
    assert [(p.epoch, p.iou) for p in past.points[-3:]] == [(40, 0.25), (41, 0.75), (42, 0.75)]
    assert [s.first_epoch for s in past.stretches] == [1, 41]
    assert [note.split(": ")[-1] for note in past.notes] == ["epochs 43 to 44", "epochs 41 to 42"]


def test_a_run_that_went_back_by_itself_begins_a_stretch_there(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal, "start", LEDGER, 1)
        train(journal, range(1, 7), 0.4)
        place = Position(4, LEDGER.plan.epoch_start(5))
        back = rolled_back(LEDGER, place, "NaN")
        journal.on_event(RolledBack(place.step + 11, place, back.last.reason, ("a", "b"), back))
        journal.on_event(StageStarted(LEDGER.plan.stage_of_epoch(5), 5))
        train(journal, range(5, 8), 0.5)
    past = log_of_journal(path)
    assert [(p.epoch, p.iou) for p in past.points] == [
        *((n, 0.4) for n in range(1, 5)),
        *((n, 0.5) for n in range(5, 8)),
    ]
    assert [(s.first_epoch, s.word) for s in past.stretches] == [(1, "start"), (5, "rollback")]
    assert past.stretches[1].settings == past.stretches[0].settings
    assert "x 0.5" in past.stretches[1].reason
    assert past.stretches[1].lineage == back
    assert plan_ahead(past) == back.plan  # half the rates, on the same curve


def test_a_continue_goes_on_where_its_lines_say(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal, "start", LEDGER, 1)
        train(journal, range(1, 6), 0.25)
        begin(journal, "continue", LEDGER, 6)  # its lineage still says: since epoch 1
        train(journal, range(6, 8), 0.5)
        begin(journal, "continue", LEDGER, 8)
    past = log_of_journal(path)
    assert [s.first_epoch for s in past.stretches] == [1, 6, 8]
    assert [p.epoch for p in past.points] == list(range(1, 8))
    assert past.notes == ()


def test_a_run_stopped_in_its_first_epoch_keeps_its_baseline(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal, "start", LEDGER, 1)
        begin(journal, "continue", LEDGER, 1)
        train(journal, range(1, 2), 0.5)
    (stretch,) = log_of_journal(path).stretches
    assert (stretch.word, stretch.baseline_iou) == ("continue", 0.125)


def test_a_branch_stopped_in_its_first_epoch_is_still_a_branch(path: Path) -> None:
    at = Position(5, LEDGER.plan.epoch_start(6))
    branch = resume(LEDGER, replace(SCHEDULE, stage1_epochs=2), at, images=40).lineage
    with Journal(path) as journal:
        begin(journal, "start", LEDGER, 1)
        train(journal, range(1, 6), 0.25)
        begin(journal, "branch", branch, 6)
        begin(journal, "continue", branch, 6)
        train(journal, range(6, 7), 0.5)
    _, stretch = log_of_journal(path).stretches
    assert (stretch.word, stretch.first_epoch, stretch.baseline_iou) == ("branch", 6, 0.125)


def test_records_of_earlier_versions_and_diverged_losses(path: Path) -> None:
    late = {"val_images", "iou_sd", "object_share", "predicted_share", "sure_wrong", "skipped"}
    old = {k: v for k, v in RECORD.to_plain().items() if k not in late}
    with Journal(path) as journal:
        train(journal, range(86, 87), 0.5)
        journal.write("step", asdict(StepRecord(1, 87, 0.5, {}, {}, math.inf, True)))
        journal.write("epoch", old | {"loss": math.nan})
    first, second = log_of_journal(path).points
    assert first.skipped == RECORD.skipped
    assert (second.skipped, second.val_images, second.iou_sd) == (1, None, None)
    assert second.grad_norm is None
    assert second.loss is not None
    assert math.isnan(second.loss)


def test_a_cut_run_line_does_not_hide_the_resume(path: Path) -> None:
    with Journal(path) as journal:
        train(journal, range(1, 6), 0.25)
        train(journal, range(3, 4), 0.75)
    past = log_of_journal(path)
    assert [(p.epoch, p.iou) for p in past.points] == [(1, 0.25), (2, 0.25), (3, 0.75)]
    assert len(past.notes) == 2


@pytest.mark.parametrize(
    "line", ['{"kind": "ep', "[" * 100_000, '{"kind": "epoch", "epoch": 1' + "0" * 5000 + "}", "\0"]
)
def test_damaged_lines_are_passed_over(path: Path, line: str) -> None:
    with Journal(path) as journal:
        train(journal, range(1, 2), 0.25)
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with Journal(path) as journal:
        train(journal, range(2, 3), 0.5)
    assert [p.epoch for p in log_of_journal(path).points] == [1, 2]


@pytest.mark.parametrize("lineage", [None, [], [{}], [{"schedule": {}}], "x", [1], {"a": 1}])
def test_a_lineage_of_another_version_has_no_known_end(lineage: Any) -> None:
    entry = {"kind": "run", "ledger": lineage, "settings": [], "train_images": -1, "word": None}
    (stretch,) = log_of_entries([entry]).stretches
    assert stretch == LogSegment(1)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
keys = st.sampled_from(["at_epoch", "schedule", "head", "epochs"])
plain = st.recursive(
    scalars,
    lambda v: st.lists(v, max_size=2) | st.dictionaries(keys, v, max_size=2),
    max_leaves=3,
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"kind": st.sampled_from(["run", "baseline", "stage", "step", "epoch", "x"])},
            optional={
                "epoch": st.integers(-1, 6) | scalars,
                **dict.fromkeys(("iou", "mae", "iou_sd", "sure_wrong"), st.floats(-1, 2) | scalars),
                **dict.fromkeys(
                    ("lr", "usage", "gates", "ledger", "settings", "loss", "word"), plain
                ),
            },
        ),
        max_size=8,
    )
)
def test_any_lines(entries: list[dict[str, Any]]) -> None:
    past = log_of_entries(entries)
    epochs = [p.epoch for p in past.points]
    assert epochs == sorted(set(epochs))
    assert all(e >= 1 for e in epochs)
    for point in past.points:
        assert point.known("iou") is None or 0 <= point.iou <= 1  # type: ignore[operator]
        json.dumps(asdict(point))


def part(first: int, last: int, iou: float, checkpoint: str = "") -> TrainingLog:
    points = tuple(Point(n, iou=iou) for n in range(first, last + 1))
    return TrainingLog(points, (LogSegment(first),), checkpoint, source=f"part {first}")


def test_parts_of_a_lineage_follow_each_other_in_any_order() -> None:
    a, b, c = part(1, 86, 0.1, "a.pth"), part(81, 120, 0.2), part(101, 110, 0.3, "c.pth")
    for parts in ([a, b, c], [c, a, b], [b, c, a]):
        past = join(parts)
        assert [p.epoch for p in past.points] == list(range(1, 111))
        assert [p.iou for p in past.points] == [0.1] * 80 + [0.2] * 20 + [0.3] * 10
        assert [s.first_epoch for s in past.stretches] == [1, 81, 101]
        assert past.checkpoint == "c.pth"
        assert "left behind: epochs 81 to 86, 101 to 120" in past.notes[-1]


def test_a_single_part_and_empty_parts() -> None:
    a = part(1, 3, 0.1, "a.pth")
    assert join([a]) == a
    assert join([TrainingLog((), notes=("empty",), source="b"), a]).points == a.points
    assert join([TrainingLog((), notes=("empty",))]).notes == ("empty",)
    assert join([]).points == ()
