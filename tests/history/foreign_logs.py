"""Logs as other trainers of this field print them, with the run that they were printed from."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

EPOCHS = 40


@dataclass(frozen=True)
class Written:
    """The numbers of one epoch, from 1."""

    epoch: int
    loss: float
    iou: float
    mae: float
    lr: float
    val_loss: float


def run_of(seed: int = 0, epochs: int = EPOCHS) -> list[Written]:
    """A run whose score rises and then stands still."""
    r = random.Random(seed)
    return [
        Written(
            epoch=e,
            loss=round(0.4 + 1.5 * math.exp(-e / 12) + r.gauss(0, 0.01), 4),
            iou=round(0.6 - 0.4 * math.exp(-e / 8) + r.gauss(0, 0.002), 4),
            mae=round(0.04 + 0.06 * math.exp(-e / 8) + r.gauss(0, 0.0003), 6),
            lr=float(f"{1e-4 * (1 + math.cos(math.pi * (e - 1) / (2 * epochs))) / 2:.4e}"),
            val_loss=round(0.5 + 1.4 * math.exp(-e / 12) + r.gauss(0, 0.01), 4),
        )
        for e in range(1, epochs + 1)
    ]


@dataclass(frozen=True)
class Form:
    """How a trainer prints.

    Attributes:
        lines: a run as its lines.
        fields: of an epoch that can be read back exactly.
        named: where a field of an epoch must come from, if it is not the field of its own name.
    """

    lines: Callable[[list[Written]], Iterator[str]]
    fields: tuple[str, ...]


def header_rate(run: list[Written]) -> Iterator[str]:
    """Epoch lines without a rate, a header with the head's, epoch lines with the backbone's."""
    half = len(run) // 2
    for w in run[:half]:
        yield f"Epoch {w.epoch}: Loss: {w.loss:.4f} | IoU: {w.iou:.4f}"
    yield "Stage 2 Learning Rate: 0.00025"
    for w in run[half:]:
        yield f"Epoch {w.epoch}: Loss: {w.loss:.4f} | IoU: {w.iou:.4f} | LR: {w.lr:.4e}"


def config_line(run: list[Written]) -> Iterator[str]:
    """A dict of settings first, then steps and validation, with the best beside."""
    yield f"[Config: epoch: {len(run) + 14}; lr: 0.0001; batchsize: 36; trainsize: 352]"
    for w in run:
        yield (
            f"2024-01-02 10:00:00,123-INFO:[Train Info]:Epoch [{w.epoch:03d}/{len(run):03d}],"
            f" Step [0100/0100], Total_loss: {w.loss:.4f} Loss1: 0.2000 Loss2: 0.1000"
        )
        best = min(run[: w.epoch], key=lambda one: one.mae)
        yield (
            f"[Val Info]:Epoch: {w.epoch} MAE: {w.mae:.6f}, bestMAE: {best.mae:.6f},"
            f" bestEpoch: {best.epoch}."
        )


def test_marks(run: list[Written]) -> Iterator[str]:
    """The first of these repositories: a banner around the validation, settings one a line."""
    yield from ("epoch: 100", "lr: 0.0001", "batchsize: 36", "trainsize: 352", "decay_rate: 0.1")
    for w in run:
        yield (
            f"2024-01-02 10:00:00.1 Epoch [{w.epoch:03d}/100], Step [0252/0252],"
            f" [lr={w.lr:.4e}], Loss_s: 0.3 Loss_all: {w.loss:.4f}"
        )
        yield f"#TEST#:Epoch: {w.epoch} MAE: {w.mae} ####  bestMAE: 0.01 bestEpoch: 3"


def three_counters(run: list[Written]) -> Iterator[str]:
    """All iterations, those of the epoch, epochs from 0; two rates; mean and current loss."""
    for w in run:
        for i in (0, 500, 1000):
            done = (w.epoch - 1) * 1010 + i
            yield (
                f"ETA: 1:00:00(9.0G) | {done}:{1010 * len(run)} {i}/1010 {w.epoch - 1}/{len(run)}"
                f" | LR: {w.lr / 10:.4e},{w.lr:.4e} | bce: 0.2 ual: 0.1"
                f" (M:{w.loss:.5f}/C:{w.loss:.5f}) | (4, 1, 384, 384)"
            )


def loss_only(run: list[Written]) -> Iterator[str]:
    """Epochs from 0, a total and a term of the loss."""
    for w in run:
        for i in (20, 40):
            yield f"Epoch:{w.epoch - 1}, Iter:{i}, all_loss:{w.loss:.5f}, main_loss:0.12345"


def bare_columns(run: list[Written]) -> Iterator[str]:
    """Settings, then numbers in brackets: epoch, iteration, rate, losses."""
    yield f"{{'epoch_num': {len(run)}, 'lr': 0.001, 'lr_decay': 0.9}}"
    for w in run:
        for i in (1, 2):
            done = (w.epoch - 1) * 190 + 95 * i
            yield f"[{w.epoch:3d}], [{done:6d}], [{w.lr:.8f}], [{w.loss:.5f}], [{w.loss / 4:.5f}]"


def terms_only(run: list[Written]) -> Iterator[str]:
    """No total of the loss."""
    for w in run:
        yield f"epoch {w.epoch}/{len(run)}: loss_seg: {w.loss:.4f}, loss_edge: 0.1, MAE {w.mae:.6f}"


def boxes(run: list[Written]) -> Iterator[str]:
    """OpenMMLab: steps with base_lr, scores in percent; dumps its settings as Python first."""
    yield from (
        "optimizer = dict(",
        "    lr=0.0001,",
        "    momentum=0.9,",
        "    weight_decay=0.01)",
    )
    yield "train_cfg = dict(max_epochs=300, type='EpochBasedTrainLoop', val_interval=1)"
    for w in run:
        yield (
            f"2024/01/02 10:00:00 - mmengine - INFO - Epoch(train) [{w.epoch}][50/50]  base_lr:"
            f" 1.0e-02 lr: {w.lr:.4e}  eta: 1:00:00  time: 0.3  data_time: 0.01  loss: {w.loss:.4f}"
            f"  decode.loss_ce: 0.2  decode.acc_seg: 91.2"
        )
        yield (
            f"2024/01/02 10:00:01 - mmengine - INFO - Epoch(val) [{w.epoch}][20/20]    aAcc:"
            f" 91.1  mIoU: {100 * w.iou:.2f}  mAcc: 70.2  data_time: 0.01  time: 0.1"
        )


def scalars(run: list[Written]) -> Iterator[str]:
    """The same trainer's JSON lines."""
    for w in run:
        yield (
            f'{{"lr": {w.lr:.4e}, "data_time": 0.01, "loss": {w.loss:.4f}, "decode.loss_ce": 0.2,'
            f' "time": 0.3, "epoch": {w.epoch}, "iter": {50 * w.epoch}, "step": {50 * w.epoch}}}'
        )
        yield f'{{"epoch": {w.epoch}, "val/mIoU": {w.iou:.4f}, "step": {w.epoch}}}'


def lightning(run: list[Written]) -> Iterator[str]:
    """CSVLogger: a row of steps and a row of validation an epoch, from 0."""
    yield "epoch,lr-AdamW,step,train_loss_epoch,train_loss_step,val_iou,val_loss"
    for w in run:
        step, n = 50 * w.epoch - 1, w.epoch - 1
        yield f"{n},{w.lr},{step - 10},,{w.loss + 0.1:.4f},,"
        yield f"{n},,{step},,,{w.iou},{w.val_loss}"
        yield f"{n},,{step},{w.loss},,,"


def printed_dicts(run: list[Written]) -> Iterator[str]:
    """The Trainer of transformers: fractions of epochs, then the evaluation at its end."""
    for w in run:
        for part in (0.5, 1.0):
            yield (
                f"{{'loss': {w.loss}, 'grad_norm': 1.5, 'learning_rate': {w.lr:.4e},"
                f" 'epoch': {w.epoch - 1 + part}}}"
            )
        yield (
            f"{{'eval_loss': {w.val_loss}, 'eval_mean_iou': {w.iou}, 'eval_runtime': 2.5,"
            f" 'epoch': {float(w.epoch)}}}"
        )


def keras(run: list[Written]) -> Iterator[str]:
    """A headline, then one bar that is drawn over itself."""
    for w in run:
        yield f"Epoch {w.epoch}/{len(run)}"
        yield (
            f"\r 1/22 [>.............................] - ETA: 10s - loss: 9.0 - iou: 0.1"
            f"\r22/22 [==============================] - 9s 400ms/step - loss: {w.loss:.4f} -"
            f" val_loss: {w.val_loss:.4f} - val_iou: {w.iou:.4f} - lr: {w.lr:.4e}"
        )


def bars(run: list[Written]) -> Iterator[str]:
    """Progress bars and a line after each."""
    for w in run:
        for done in (5, 10):
            yield (
                f"\rEpoch {w.epoch}/{len(run)}:  50%|#####     | {done}/10 [00:01<00:01, 5.00it/s,"
                f" loss={w.loss + 0.2:.3f}]"
            )
        yield (
            f"Epoch {w.epoch}: train_loss={w.loss:.4f} val_loss={w.val_loss:.4f}"
            f" val_iou={w.iou:.4f} val_mae={w.mae:.6f} lr={w.lr:.4e}"
        )


def exported(run: list[Written]) -> Iterator[str]:
    """A history exported from an experiment tracker: quoted names, other columns between."""
    yield '"_step","_runtime","epoch","train/loss","val/IoU","val/MAE","lr/head","lr/backbone"'
    for w in run:
        yield (
            f'"{w.epoch * 50}","{w.epoch * 61.5}","{w.epoch}","{w.loss}","{w.iou}","{w.mae}",'
            f'"{w.lr}","{w.lr / 10}"'
        )


def numbered_rates(run: list[Written]) -> Iterator[str]:
    """Padded names, a column a group."""
    yield "                  epoch,         train/loss,            val/iou,    lr0,    lr1"
    for w in run:
        yield f"  {w.epoch},  {w.loss},  {w.iou},  {w.lr / 10:.6e},  {w.lr:.4e}"


def listed_rates(run: list[Written]) -> Iterator[str]:
    """A list of rates, with colours and Windows' line ends."""
    for w in run:
        yield (
            f"\x1b[32m[{w.epoch}/{len(run)}]\x1b[0m Epoch {w.epoch} | loss {w.loss:.4f} | IoU"
            f" {w.iou:.4f} | lr: [{w.lr / 10:.5e}, {w.lr:.4e}]\r"
        )


def several_lines(run: list[Written]) -> Iterator[str]:
    """A headline, then a value a line."""
    for w in run:
        yield f"========== Epoch {w.epoch}/{len(run)} =========="
        yield f"Learning rate: {w.lr:.4e}"
        yield f"Train loss: {w.loss:.4f}"
        yield f"Val loss: {w.val_loss:.4f}"
        yield f"Val IoU: {w.iou:.4f}   MAE: {w.mae:.6f}"


def commented_columns(run: list[Written]) -> Iterator[str]:
    """Columns under a comment."""
    yield "# epoch  lr  train_loss  val_loss  iou  mae"
    for w in run:
        yield f"{w.epoch}  {w.lr:.4e}  {w.loss:.4f}  {w.val_loss:.4f}  {w.iou:.4f}  {w.mae:.6f}"


def json_lines(run: list[Written]) -> Iterator[str]:
    """An object an epoch, nested; settings as the first object."""
    yield '{"epochs": 300, "lr": 0.0001, "batch_size": 8, "seed": 1}'
    for w in run:
        yield (
            f'{{"epoch": {w.epoch}, "train": {{"loss": {w.loss}}}, "val": {{"loss": {w.val_loss},'
            f' "iou": {w.iou}, "mae": {w.mae}}}, "lr": [{w.lr / 10}, {w.lr}]}}'
        )


FORMS = {
    "header_rate": Form(header_rate, ("loss", "iou")),
    "config_line": Form(config_line, ("loss", "mae")),
    "test_marks": Form(test_marks, ("loss", "mae", "lr")),
    "three_counters": Form(three_counters, ("loss", "lr")),
    "loss_only": Form(loss_only, ("loss",)),
    "bare_columns": Form(bare_columns, ("loss",)),
    "terms_only": Form(terms_only, ("loss", "mae")),
    "boxes": Form(boxes, ("loss", "lr", "iou")),
    "scalars": Form(scalars, ("loss", "lr", "iou")),
    "lightning": Form(lightning, ("loss", "lr", "iou", "val_loss")),
    "printed_dicts": Form(printed_dicts, ("loss", "lr", "iou", "val_loss")),
    "keras": Form(keras, ("loss", "lr", "iou", "val_loss")),
    "bars": Form(bars, ("loss", "lr", "iou", "val_loss", "mae")),
    "exported": Form(exported, ("loss", "lr", "iou", "mae")),
    "numbered_rates": Form(numbered_rates, ("loss", "lr", "iou")),
    "listed_rates": Form(listed_rates, ("loss", "lr", "iou")),
    "several_lines": Form(several_lines, ("loss", "lr", "iou", "val_loss", "mae")),
    "commented_columns": Form(commented_columns, ("loss", "lr", "iou", "val_loss", "mae")),
    "json_lines": Form(json_lines, ("loss", "lr", "iou", "val_loss", "mae")),
}
