import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
    EventAccumulator,
)
from tensorboard.compat.tensorflow_stub.io.gfile import GFile  # type: ignore[import-untyped]

from decamo.history import EpochDone, Interrupted, StepDone, StepRecord
from decamo.schedule import Position
from decamo.trackers.tensorboard import TensorBoard
from tests.history.test_records import RECORD


def step(number: int, loss: float = 0.5) -> StepDone:
    record = StepRecord(number, 1, loss, {"bce": 0.25}, {"head": 0.1, "backbone.0": 0.0}, 2.0)
    return StepDone(record, number, 10)


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder)).Reload()
    tags = events.Tags()["scalars"]
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags}


def test_scalars_are_read_back(tmp_path: Path) -> None:
    board = TensorBoard(tmp_path, 0)
    for event in (
        step(0),
        step(1),
        EpochDone(RECORD, best=True),
        Interrupted(Position(), "on request"),
    ):
        board.on_event(event)
    board.close()

    scalars = read(tmp_path)

    assert scalars["loss/total"] == [(0, 0.5), (1, 0.5)]
    assert scalars["loss/bce"] == [(0, 0.25), (1, 0.25)]
    assert scalars["gradient/norm"] == [(0, 2.0), (1, 2.0)]
    assert [value for _, value in scalars["lr/head"]] == pytest.approx([0.1, 0.1])
    assert scalars["lr/backbone.0"] == [(0, 0.0), (1, 0.0)]
    for name, score in (("iou", 0.635), ("dice", 0.7456), ("mae", 0.05)):
        ((at, value),) = scalars[f"validation/{name}"]
        assert at == RECORD.step - 1
        assert value == pytest.approx(score)
    assert scalars["experts/1"] == [(RECORD.step - 1, 0.75)]
    assert scalars["routing_entropy/stride 4"] == [(RECORD.step - 1, 0.75)]
    assert scalars["routing_balance/stride 8"] == [(RECORD.step - 1, 0.0)]


def test_an_abandoned_future_is_hidden(tmp_path: Path) -> None:
    first = TensorBoard(tmp_path, 0)
    for number in range(5):
        first.on_event(step(number, loss=1.0))
    first.close()
    second = TensorBoard(tmp_path, 3)
    for number in range(3, 5):
        second.on_event(step(number, loss=2.0))
    second.close()

    assert read(tmp_path)["loss/total"] == [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2)]


def test_the_scores_of_the_last_epoch_before_a_resume_stay(tmp_path: Path) -> None:
    first = TensorBoard(tmp_path, 0)
    first.on_event(EpochDone(RECORD, best=True))
    first.close()
    second = TensorBoard(tmp_path, RECORD.step)  # goes on with the first step of the next epoch
    second.on_event(step(RECORD.step))
    second.close()

    assert len(read(tmp_path)["validation/iou"]) == 1


@pytest.mark.parametrize("when", ["from the start", "while writing", "at the end"])
def test_a_full_disk_costs_the_charts_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], when: str
) -> None:
    full, said, real = [when == "from the start"], list[str](), GFile.flush

    def flush(file: GFile) -> None:
        if full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file)

    monkeypatch.setattr(GFile, "flush", flush)
    board = TensorBoard(tmp_path, 0, said.append)
    board.on_event(step(0))
    full[0] = True
    if when == "while writing":
        writer: Any = board._writer
        writer.file_writer.event_writer._async_writer._worker._next_flush_time = 0
    for number in range(1, 40):
        board.on_event(step(number))
    if when == "at the end":
        board.close()
    else:
        for _ in range(3):  # its thread says so a little later
            board.on_event(EpochDone(RECORD, best=True))
            time.sleep(0.05)
        full[0] = False
        board.on_event(EpochDone(RECORD, best=True))
        board.close()

    lost = f"{tmp_path}: No space left on device; the run goes on without these charts"
    again = f"{tmp_path}: charts go on from epoch {RECORD.epoch}"
    assert said == ([lost] if when == "at the end" else [lost, again])
    assert capsys.readouterr().err == ""
    if when != "at the end":
        assert read(tmp_path)["validation/iou"][-1][1] == pytest.approx(RECORD.iou)
