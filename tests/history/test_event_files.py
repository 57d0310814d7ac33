import math
from pathlib import Path

import pytest
from torch.utils.tensorboard.writer import SummaryWriter

from decamo.history.history_files import log_of_events


def write(folder: Path, scalars: dict[str, list[tuple[int, float]]], purge: int = 0) -> None:
    writer = SummaryWriter(str(folder), purge_step=purge or None)
    for tag, values in scalars.items():
        for step, value in values:
            writer.add_scalar(tag, value, step)
    writer.close()


def ours(first: int, epochs: int, base: float) -> dict[str, list[tuple[int, float]]]:
    """As this project writes: 4 steps an epoch from step 0, scores at the step after the last."""
    steps = range(4 * (first - 1), 4 * (first - 1 + epochs))
    ends = range(first, first + epochs)
    return {
        "loss/total": [(s, float(s)) for s in steps],
        "loss/bce": [(s, 0.5) for s in steps],
        "gradient/norm": [(s, 100.0 if s % 4 == 3 else 2.0) for s in steps],
        "lr/head": [(s, 1 / (1 + s)) for s in steps],
        "lr/backbone.0": [(s, 0.0) for s in steps],
        "validation/iou": [(4 * n, base + n / 64) for n in ends],
        "validation/mae": [(4 * n, 0.25) for n in ends],
        "experts/0": [(4 * n, 1.0) for n in ends],
    }


def test_steps_of_this_project_fall_into_their_epochs(tmp_path: Path) -> None:
    write(tmp_path, ours(1, 3, 0.5))
    points = log_of_events(tmp_path).points
    assert [(p.epoch, p.iou) for p in points] == [(n, 0.5 + n / 64) for n in (1, 2, 3)]
    assert [p.loss for p in points] == [1.5, 5.5, 9.5]
    assert [p.grad_norm for p in points] == [2.0, 2.0, 2.0]
    assert [p.lr for p in points] == pytest.approx([1, 1 / 5, 1 / 9])
    assert points[0].rates == {"head": 1.0, "backbone.0": 0.0}
    assert points[0].mae == 0.25


def test_an_abandoned_future_is_no_part_of_it(tmp_path: Path) -> None:
    write(tmp_path, ours(1, 4, 0.25))
    write(tmp_path, ours(3, 1, 0.75), purge=8)
    points = log_of_events(tmp_path).points
    assert [p.iou for p in points] == [0.25 + 1 / 64, 0.25 + 2 / 64, 0.75 + 3 / 64]


@pytest.mark.parametrize("begin", [0, 1])
def test_a_step_may_be_the_epoch(tmp_path: Path, begin: int) -> None:
    steps = [(begin + i, (i + 1) / 8) for i in range(3)]
    write(tmp_path, {"Loss/train": steps, "Loss/val": steps, "IoU/val": steps})
    points = log_of_events(tmp_path).points
    assert [(p.epoch, p.loss, p.val_loss, p.iou) for p in points] == [
        (i + 1, (i + 1) / 8, (i + 1) / 8, (i + 1) / 8) for i in range(3)
    ]


def test_lightning_numbers_its_epochs(tmp_path: Path) -> None:
    scalars = {
        "epoch": [(49, 0.0), (99, 0.0), (149, 1.0), (199, 1.0)],
        "train_loss": [(49, 0.5), (99, 0.25), (149, math.nan), (199, 0.125)],
        "val_iou": [(99, 0.5), (199, 0.625)],
    }
    write(tmp_path, scalars)
    first, second = log_of_events(tmp_path).points
    assert (first.epoch, first.loss, first.iou) == (1, 0.375, 0.5)
    assert (second.epoch, second.iou) == (2, 0.625)
    assert second.loss is not None
    assert math.isnan(second.loss)


def test_a_validation_of_the_abandoned_future_is_not_taken_over(tmp_path: Path) -> None:
    write(tmp_path, ours(1, 4, 0.25))
    by_step = ("loss", "lr", "gradient")
    began = {k: v[:2] for k, v in ours(3, 1, 0.75).items() if k.startswith(by_step)}
    write(tmp_path, began, purge=8)  # two steps into epoch 3 again
    assert [p.epoch for p in log_of_events(tmp_path).points] == [1, 2]


def test_steps_without_a_validation_are_no_epochs(tmp_path: Path) -> None:
    write(tmp_path, {"loss": [(50, 0.5), (100, 0.25)]})
    past = log_of_events(tmp_path)
    assert past.points == ()
    assert past.notes


def test_a_cut_or_damaged_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    write(tmp_path, ours(1, 3, 0.5))
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for length in (0, 5, len(whole) // 2, len(whole) - 3):
        file.write_bytes(whole[:length])
        assert len(log_of_events(tmp_path).points) <= 3
    for at in range(0, len(whole), len(whole) // 40):
        file.write_bytes(whole[:at] + b"\xff\x00\xff" + whole[at + 3 :])
        assert len(log_of_events(file).points) <= 3
