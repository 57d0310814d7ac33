import json
from pathlib import Path
from typing import Any

import pytest

from decamo import Run
from decamo.errors import DataError
from decamo.history import Origin, log_of_text, read_training_log
from tests.history.foreign_logs import FORMS, run_of

RUN = run_of(7)
RECORDS: list[dict[str, Any]] = [
    {"epoch": w.epoch, "train_loss": w.loss, "val_iou": w.iou, "lr": w.lr} for w in RUN
]
SHAPES: dict[str, Any] = {
    "records": RECORDS,
    "records without a number": [{k: v for k, v in r.items() if k != "epoch"} for r in RECORDS],
    "lists": {k: [r[k] for r in RECORDS] for k in RECORDS[0]},
    "lists without a number": {k: [r[k] for r in RECORDS] for k in ("train_loss", "val_iou", "lr")},
    "nested lists": {
        "train": {"loss": [w.loss for w in RUN]},
        "val": {"iou": [w.iou for w in RUN]},
        "lr": [w.lr for w in RUN],
    },
    "by epoch": {str(r["epoch"]): r for r in RECORDS},
    "trainer state": {
        "best_metric": 0.9,
        "epoch": 40.0,
        "log_history": [
            record
            for w in RUN
            for record in (
                {"epoch": w.epoch - 0.5, "loss": w.loss, "learning_rate": w.lr, "step": w.epoch},
                {"epoch": float(w.epoch), "eval_iou": w.iou, "eval_runtime": 2.0, "step": w.epoch},
            )
        ],
    },
    "history within": {"args": {"lr": 0.1, "epochs": 300}, "history": RECORDS},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_folder_with_a_history(shape: str, tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    file.write_text(json.dumps(SHAPES[shape], indent=1))
    (tmp_path / "config.json").write_text('{"lr": 0.1, "epochs": 300, "layers": [1, 2]}')
    for path in (file, tmp_path):
        past = read_training_log([path])
        assert [(p.epoch, p.loss, p.iou, p.lr) for p in past.points] == [
            (w.epoch, w.loss, w.iou, w.lr) for w in RUN
        ]
        assert past.origin == Origin.FOREIGN
    assert Run(tmp_path).past.notes[0] == "read from history.json"


def test_one_run_in_several_forms_is_one_and_two_runs_are_not(tmp_path: Path) -> None:
    (tmp_path / "history.json").write_text(json.dumps(RECORDS))
    (tmp_path / "train.log").write_text("\n".join(FORMS["bars"].lines(RUN)))
    (tmp_path / "README.txt").write_text("how to train\n")
    assert len(read_training_log([tmp_path]).points) == len(RUN)
    (tmp_path / "old.log").write_text("\n".join(FORMS["bars"].lines(run_of(8))))
    with pytest.raises(DataError, match=r"holds logs of different runs: .*old.log.*; name the one"):
        read_training_log([tmp_path])


def test_json_that_is_no_history_is_no_log(tmp_path: Path) -> None:
    for text in ('{"lr": 0.1}', "[1, 2, 3]", "{", '"x"', "[" * 100_000):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(DataError, match="not a log"):
            read_training_log([tmp_path / "x.json"])


@pytest.mark.parametrize("name", FORMS)
def test_whose_log_it_is(name: str) -> None:
    assert log_of_text("\n".join(FORMS[name].lines(RUN))).origin == Origin.FOREIGN


def test_our_own_log_is_ours_and_a_quoted_line_could_be_anyones() -> None:
    line = "Epoch 87: Loss: 0.2341 | IoU: 0.6350 | Dice: 0.7456 | LR: 0.000200"
    start = "start: epoch 1 to 86, step 0 to 709, LR 0.000010 -> 0.000050 (a new run)"
    assert log_of_text(line).origin == Origin.UNKNOWN
    assert log_of_text(f"{start}\n{line}").origin == Origin.OURS
    assert log_of_text('{"kind": "epoch", "epoch": 5, "iou": 0.5}').origin == Origin.OURS
