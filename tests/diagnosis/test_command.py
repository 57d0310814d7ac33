import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from decamo.diagnosis import RunState
from decamo.diagnosis.command import (
    Change,
    evaluation,
    fresh_run,
    pasteable,
    resumed,
)
from decamo.flags import Parser, add_settings
from decamo.settings import TrainSettings
from decamo.settings.plain import from_plain, to_plain
from tests.diagnosis.obey import obey_words, rates


def known(**schedule: Any) -> RunState:
    plain = to_plain(TrainSettings())
    plain["schedule"] |= schedule
    plain["data"]["dataset_path"] = ["my data"]
    return RunState(from_plain(plain), "runs/x/best_model.pth", "runs/x/last.pth", 86, 80, 2)


def test_flags_that_do_not_differ_are_left_out() -> None:
    changes = [Change("img_size", 384, ""), Change("min_lr", 0.00002, "")]
    order = resumed(known(), changes)
    assert order.words == (
        "decamo", "train", "--resume-from", "runs/x/best_model.pth", "--min-lr", "0.00002",
    )  # fmt: skip
    assert [c.name for c in order.changes] == ["min_lr"]
    assert order.start == 80
    assert order.blanks == ()


def test_the_newest_weights_have_all_epochs_behind_them() -> None:
    order = resumed(known(), [Change("epochs", 150, "")], newest=True)
    assert order.words[3] == "runs/x/last.pth"
    assert order.start == 86
    lone = replace(known(), latest="")
    assert resumed(lone, [], newest=True).words[3] == "runs/x/best_model.pth"
    assert resumed(lone, [], newest=True).start == 80
    nowhere = replace(known(), latest="", checkpoint="")
    assert resumed(nowhere, [], newest=True).blanks == ("PATH_TO_CHECKPOINTS",)


def test_unknown_settings_give_the_action_plans_own_line() -> None:
    order = resumed(RunState(epoch=86), [Change("stage2_lr", 0.0003, "")])
    # Option 1 as the plan prints it, but for the paths and the changed rate.
    assert " ".join(order.words) == (
        "decamo train --dataset-path PATH_TO_DATASET --checkpoint-dir PATH_TO_CHECKPOINTS"
        " --resume-from PATH_TO_CHECKPOINTS/best_model.pth --skip-stage1"
        " --backbone edgenext_base --num-experts 7 --batch-size 2 --stage2-batch-size 1"
        " --accumulation-steps 4 --img-size 384 --epochs 120 --stage1-epochs 30 --lr 0.00025"
        " --stage2-lr 0.0003 --scheduler cosine --min-lr 0.00001 --progressive-unfreeze"
        " --deep-supervision --num-workers 4"
    )
    assert order.blanks == ("PATH_TO_DATASET", "PATH_TO_CHECKPOINTS")


@pytest.mark.parametrize(
    ("schedule", "changes", "mended"),
    [
        ({}, {"stage2_lr": 0.000005}, {"stage2_lr": 0.000005, "min_lr": 2.5e-7}),
        ({}, {"epochs": 60}, {"epochs": 81}),
        ({}, {"epochs": 83, "warmup_epochs": 5}, {"epochs": 83, "warmup_epochs": 2}),
        (
            {"schedule_origin": "stage"},
            {"stage2_lr": 0.0004},
            {"stage2_lr": 0.0004, "schedule_origin": "resume"},
        ),
    ],
)
def test_what_would_contradict_is_mended(
    schedule: dict[str, Any],
    changes: dict[str, Any],
    mended: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    standing = known(**schedule)
    order = resumed(standing, [Change(n, v, "because") for n, v in changes.items()])
    assert {c.name: c.value for c in order.changes} == mended
    assert all(c.why for c in order.changes)
    assert standing.settings is not None
    went = obey_words(order.words, standing.settings, order.start, monkeypatch)
    assert went is not None
    assert went.lineage.plan.last_epoch == (order.schedule.last_epoch if order.schedule else 0)


def test_a_new_curve_begins_even_where_only_the_end_is_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    standing = known()
    assert standing.settings is not None
    changes = [Change("stage2_lr", 0.0002, ""), Change("epochs", 150, "")]
    stretched = resumed(standing, changes)
    went = obey_words(stretched.words, standing.settings, 80, monkeypatch)
    assert went is not None
    assert went.kind == "extend"
    anew = resumed(standing, changes, anew=True)
    went = obey_words(anew.words, standing.settings, 80, monkeypatch)
    assert went is not None
    assert went.kind == "branch"
    assert max(rates(went.lineage.plan, 81, 150)) == 0.0002


def test_a_fresh_run_names_all_that_is_not_default() -> None:
    standing = known(img_size=320, stage2_lr=0.0003, skip_stage1=True)
    order = fresh_run(standing, [Change("backbone", "pvt_v2_b2", "")], "pvt_v2_b2")
    parser = Parser(prog="decamo train")
    add_settings(parser)
    args = parser.parse(list(order.words[2:]))
    assert args.backbone == "pvt_v2_b2"
    assert args.img_size == 320
    assert args.stage2_lr == 0.0003
    assert args.checkpoint_dir == Path("runs/x-pvt_v2_b2")
    assert args.dataset_path == [Path("my data")]
    assert not hasattr(args, "resume_from")
    assert not hasattr(args, "skip_stage1")  # a new network begins with a frozen backbone
    assert order.start == 0


def test_scoring_takes_the_best_weights() -> None:
    words = evaluation(known()).words
    assert words == ("decamo", "evaluate", "runs/x/best_model.pth", "--dataset-path", "my data")
    assert evaluation(RunState()).blanks == ("PATH_TO_DATASET", "PATH_TO_CHECKPOINTS")


def test_what_is_pasted_is_what_was_meant() -> None:
    words = ("decamo", "train", "--a", "it's here", "--b", "$HOME", "--c", "x", "--d", "1")
    text = pasteable(words)
    assert text.count("\\\n") == 4
    assert tuple(shlex.split(text.replace("\\\n", ""))) == words  # as a shell joins lines
    assert pasteable(words[:4]) == "decamo train --a 'it'\"'\"'s here'"


def test_a_change_is_shown_as_a_flag() -> None:
    assert Change("deep_supervision", True, "").flag == "--deep-supervision"
    assert Change("deep_supervision", False, "").flag == "--no-deep-supervision"
    assert Change("min_lr", 0.00005, "").flag == "--min-lr 0.00005"


def test_how_long_is_told_as_far_as_the_log_tells_it() -> None:
    lone = RunState(epoch=10)
    assert resumed(lone, [], newest=True).schedule is None
    planned = resumed(replace(lone, planned_end=40), [], newest=True)
    assert planned.words == ("decamo", "train", "--resume-from", "PATH_TO_CHECKPOINTS/last.pth")
    assert planned.schedule is not None
    assert planned.schedule.epochs == 40
