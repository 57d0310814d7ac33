import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decamo.history import Point, TrainingLog, log_of_text
from tests.history.test_records import RECORD

# The blocks of the action plan that this project grew from, as printed there.
FIRST_FIVE = """```
Epoch 87: Loss: 0.2341 | IoU: 0.6350 | Dice: 0.7456 | LR: 0.000200
Epoch 88: Loss: 0.2298 | IoU: 0.6385 | Dice: 0.7495 | LR: 0.000195
Epoch 89: Loss: 0.2267 | IoU: 0.6421 | Dice: 0.7534 | LR: 0.000190
Epoch 90: Loss: 0.2245 | IoU: 0.6458 | Dice: 0.7572 | LR: 0.000185
Epoch 91: Loss: 0.2221 | IoU: 0.6489 | Dice: 0.7609 | LR: 0.000180
```"""
EXPLODES = """### ❌ Loss Explodes
```
Epoch 87: Loss: 0.2341 | IoU: 0.6350 | LR: 0.000300
Epoch 88: Loss: 1.5678 | IoU: 0.1234 | LR: 0.000295
```

**Cause**: `--stage2-lr` is too high
2. Restart with lower `--stage2-lr 0.0002` (instead of 0.0003)
"""
STUCK = "Epoch 106: Loss: 0.2330 | IoU: 0.6281 | LR: 0.000092"
NOTE = """Keep a note:
```
Epoch 86: IoU 0.6221 (before scheduler change)
Epoch 95: IoU 0.6456 (+0.0235 improvement)
Epoch 105: IoU 0.6789 (+0.0568 total improvement)
```
"""
TIMELINE = """Stage 2 (Epochs 31-120): Fine-tuning with NEW SCHEDULER
├─ Starts with --stage2-lr 0.0002 (Option 1)
Timeline with Option 1:
Epoch 31:  LR = 0.000200 (max)
Epoch 86:  LR = 0.000075 (resume point) ← YOU ARE HERE
Epoch 120: LR = 0.000010 (min)
"""


def test_the_first_five_epochs() -> None:
    past = log_of_text(FIRST_FIVE, "log.txt")
    assert past.points[0] == Point(87, loss=0.2341, iou=0.635, dice=0.7456, lr=0.0002)
    assert [p.epoch for p in past.points] == [87, 88, 89, 90, 91]
    assert [p.iou for p in past.points] == [0.635, 0.6385, 0.6421, 0.6458, 0.6489]
    assert (past.source, past.notes) == ("log.txt", ())


def test_the_loss_explodes() -> None:
    past = log_of_text(EXPLODES)
    assert past.points == (
        Point(87, loss=0.2341, iou=0.635, lr=0.0003),
        Point(88, loss=1.5678, iou=0.1234, lr=0.000295),
    )


def test_one_line_a_note_and_a_time_line() -> None:
    assert log_of_text(STUCK).points == (Point(106, loss=0.233, iou=0.6281, lr=0.000092),)
    assert [(p.epoch, p.iou) for p in log_of_text(NOTE).points] == [
        *((86, 0.6221), (95, 0.6456), (105, 0.6789))
    ]
    assert [(p.epoch, p.lr) for p in log_of_text(TIMELINE).points] == [
        *((31, 0.0002), (86, 0.000075), (120, 0.00001))
    ]


def test_all_blocks_pasted_together_give_a_past_and_say_what_was_decided() -> None:
    past = log_of_text("\n".join((FIRST_FIVE, EXPLODES, STUCK, TIMELINE, NOTE)))
    check(past)
    assert {86, 87, 88, 105, 106} <= {p.epoch for p in past.points}
    assert next(p for p in past.points if p.epoch == 88).iou == 0.1234  # the later story
    assert any("left behind: epochs 89 to 91" in note for note in past.notes)


FORMS: dict[str, tuple[str, Sequence[Point]]] = {
    "Keras prints two lines": (
        "Epoch 1/2\n22/22 [==============================] - 10s 5ms/step - loss: 0.25 - iou: 0.9"
        " - val_loss: 0.5 - val_iou: 0.5\nEpoch 2/2\n 1/22 [>.............................] - ETA:"
        " 1s - loss: 9.0\r22/22 [==============================] - 9s - loss: 0.2 - val_iou: 0.6",
        [Point(1, loss=0.25, val_loss=0.5, iou=0.5), Point(2, loss=0.2, iou=0.6)],
    ),
    "Keras CSVLogger": (
        "epoch,iou,loss,val_iou,val_loss\n0,0.9,0.25,0.5,0.5\n1,0.9,0.2,0.6,0.4\n",
        [
            Point(1, loss=0.25, val_loss=0.5, iou=0.5),
            Point(2, loss=0.2, val_loss=0.4, iou=0.6),
        ],
    ),
    "timm summary.csv": (
        "epoch,time,train_loss,eval_loss,eval_iou,lr\n0,1.5,0.5,0.4,0.3,0.01\n1,1.5,0.4,,0.35,0.02\n",
        [
            Point(1, loss=0.5, val_loss=0.4, iou=0.3, lr=0.01),
            Point(2, loss=0.4, iou=0.35, lr=0.02),
        ],
    ),
    "Lightning metrics.csv": (
        "epoch,lr-AdamW,step,train_loss_epoch,train_loss_step,val_iou\n"
        ",0.1,0,,,\n0,,49,,0.9,\n0,,99,,0.7,\n0,,99,,,0.5\n0,,99,0.85,,\n1,,149,,0.75,\n1,,199,,,0.6\n",
        [Point(1, loss=0.85, iou=0.5), Point(2, loss=0.75, iou=0.6)],
    ),
    "fastai's columns": (
        "epoch     train_loss  valid_loss  dice      time    \n"
        "0         0.500000    0.400000    0.800000  00:12     \n"
        "1         0.450000    0.390000    0.810000  00:12     \n",
        [
            Point(1, loss=0.5, val_loss=0.4, dice=0.8),
            Point(2, loss=0.45, val_loss=0.39, dice=0.81),
        ],
    ),
    "mmseg prints percent": (
        "2024/01/01 - mmengine - INFO - Epoch(train) [1][50/100]  lr: 1.0000e-02  loss: 0.75\n"
        "2024/01/01 - mmengine - INFO - Epoch(val) [1][22/22]  mIoU: 63.5000  mAcc: 80.0\n"
        "2024/01/01 - mmengine - INFO - Epoch(val) [2][22/22]  mIoU: 64.5000  mAcc: 81.0\n",
        [Point(1, loss=0.75, iou=0.635, lr=0.01), Point(2, iou=0.645)],
    ),
    "SINet": (
        "2021-01-01 [Train Info]:Epoch [001/100], Step [0040/0080], Total_loss: 0.50\n"
        "2021-01-01 [Train Info]:Epoch [001/100], Step [0080/0080], Total_loss: 0.40\n"
        "Epoch: 1, MAE: 0.05, bestMAE: 0.04, bestEpoch: 1.\n",
        [Point(1, loss=0.45, mae=0.05)],
    ),
    "Hugging Face": (
        "{'loss': 0.5, 'learning_rate': 2e-05, 'epoch': 0.5}\n"
        "{'loss': 0.3, 'learning_rate': 1e-05, 'epoch': 1.0}\n"
        "{'eval_loss': 0.4, 'eval_iou': 0.6, 'epoch': 1.0}\n",
        [Point(1, loss=0.3, val_loss=0.4, iou=0.6, lr=1e-5)],
    ),
    "a line for training, one for validation": (
        "Epoch 5/100 - train_loss: 0.31 - lr: 1e-4\n[valid] loss: 0.44, iou: 63.5%\n",
        [Point(5, loss=0.31, val_loss=0.44, iou=0.635, lr=1e-4)],
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_other_tools(name: str) -> None:
    text, points = FORMS[name]
    found = log_of_text(text).points
    assert [p.epoch for p in found] == [p.epoch for p in points]
    for point, expected in zip(found, points, strict=True):
        assert numbers(point) == pytest.approx(numbers(expected))


def numbers(point: Point) -> dict[str, float]:
    return {k: v for k, v in vars(point).items() if isinstance(v, int | float)}


def test_our_own_epoch_line_is_understood() -> None:
    assert log_of_text(RECORD.line()).points == (
        Point(87, loss=0.2341, iou=0.635, dice=0.7456, lr=0.0002),
    )


def test_our_own_journal_is_understood_from_a_pipe() -> None:
    line = json.dumps({"kind": "epoch"} | RECORD.to_plain())
    (point,) = log_of_text(line).points
    assert (point.epoch, point.val_images, point.seconds) == (87, 40, 110.0)


# -- what is rendered in any form is read back equal


def seed(p: Point) -> str:
    return f"Epoch {p.epoch}: Loss: {p.loss} | IoU: {p.iou} | Dice: {p.dice} | LR: {p.lr}"


def keys(p: Point) -> str:
    return f"INFO:root:epoch={p.epoch} lr={p.lr} val_dice={p.dice} val_iou={p.iou} loss={p.loss}"


def jsonl(p: Point) -> str:
    inner = {"dice": p.dice, "jaccard": p.iou}
    return json.dumps({"epoch": p.epoch, "val": inner, "train": {"loss": p.loss}, "lr": p.lr})


def printed(p: Point) -> str:
    return str({"epoch": p.epoch, "loss": p.loss, "iou": p.iou, "dice": p.dice, "lr": p.lr})


def split(p: Point) -> str:
    return f"Epoch {p.epoch}\nTrain loss: {p.loss} lr: {p.lr}\nVal IoU: {p.iou} F1: {p.dice}"


def bar(p: Point) -> str:
    done = f"100%|####| 9/9 [00:01<00:00, 5it/s, loss={p.loss}, iou={p.iou}, dice={p.dice}]"
    half = " 50%|##  | 5/9 [00:01<00:01, 5it/s, loss=77.0]"
    return f"Epoch {p.epoch}: {half}\rEpoch {p.epoch}: {done}\nEpoch {p.epoch} lr: {p.lr}"


LINES: list[Callable[[Point], str]] = [seed, keys, jsonl, printed, split, bar]


def csv(points: Sequence[Point]) -> str:
    rows = [f"{p.epoch},{p.loss},{p.iou},{p.dice},{p.lr}" for p in points]
    return "\n".join(["Epoch,train_loss,val_iou,val_dice,lr", *rows])


def columns(points: Sequence[Point]) -> str:
    rows = [f"{p.epoch} | {p.loss} | {p.iou} | {p.dice} | {p.lr}" for p in points]
    return "\n".join(["epoch | loss | IoU | Dice | LR", "---|---|---|---|---", *rows])


share = st.floats(0, 1)
series = st.builds(
    lambda first, rows: [
        Point(first + i, loss=loss, iou=iou, dice=dice, lr=lr)
        for i, (loss, iou, dice, lr) in enumerate(rows)
    ],
    st.integers(1, 1000),
    st.lists(st.tuples(st.floats(0, 1e6), share, share, st.floats(0, 1)), min_size=1, max_size=6),
)


@given(series, st.sampled_from([*LINES, csv, columns]), st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_round_trip(points: list[Point], form: Callable[..., str], end: str) -> None:
    whole = form in (csv, columns)
    text = form(points) if whole else "\n".join(form(p) for p in points)
    past = log_of_text(text.replace("\n", end))
    assert past.points == tuple(points)
    assert past.notes == ()


# -- nothing breaks it


def check(past: TrainingLog) -> None:
    """What holds of any past."""
    epochs = [p.epoch for p in past.points]
    assert epochs == sorted(set(epochs))
    assert all(e >= 1 for e in epochs)
    assert past.points or past.notes
    begins = [s.first_epoch for s in past.stretches]
    assert begins == sorted(set(begins))
    assert not begins or (begins[0] <= epochs[0] and begins[-1] <= epochs[-1])
    for point in past.points:
        for name in ("iou", "dice", "mae"):
            value = point.known(name)
            assert value is None or 0 <= value <= 1
        assert not any(v is not None and math.isinf(v) for v in (point.loss, point.val_loss))
        assert point.lr is None or 0 <= point.lr <= 1000


SAMPLES = [FIRST_FIVE, EXPLODES, TIMELINE, NOTE, *(text for text, _ in FORMS.values())]
JUNK = [
    *("\x00\x1b[31m", "�", "nan", "-inf", "1e999", "-0.5", "\r", "\n", "\n\n", "|", ",", "{", "}"),
    *("Epoch 0:", "Epoch -3:", "Epoch 99999999:", "Epoch 2: IoU: 7", "IoU: -1", "loss: NaN "),
    *('{"epoch": [], "loss": {}}', '{"kind": "epoch", "epoch": "x"}', "9" * 400, "x" * 9000, '"'),
    *("epoch,loss,iou", "epoch loss", "1,2,3", "[" * 500, "Epoch 3/2", "epoch=1e3", "١٢"),
]


def mutated(rng: random.Random) -> str:
    text = "\n".join(rng.sample(SAMPLES, rng.randint(1, 2)))
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(text) + 1)
        kind = rng.randrange(5)
        if kind == 0:
            text = text[:at]  # a crash
        elif kind == 1:
            text = text[:at] + rng.choice(JUNK) + text[at:]
        elif kind == 2:
            text = text[:at] + text[at + rng.randrange(40) :]
        elif kind == 3:
            text += "\n" + text[at : at + 200]  # epochs over again
        else:
            noise = bytes(rng.randrange(256) for _ in range(30)).decode("latin-1")
            text = text[:at] + noise + text[at:]
    return text


@pytest.mark.parametrize("seed", range(20))
def test_a_hundred_damaged_logs(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(100):
        check(log_of_text(mutated(rng)))


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    check(log_of_text(text))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Epoch", "epoch", "Train Epoch", "[val] epoch", ""]),
            st.integers(-3, 12),
            st.sampled_from(["loss", "IoU", "val_iou", "lr", "dice", "grad_norm"]),
            st.floats(allow_nan=True) | st.floats(-0.2, 1.2),
        ),
        max_size=25,
    )
)
def test_contradictory_epochs(rows: list[tuple[str, int, str, float]]) -> None:
    check(log_of_text("\n".join(f"{word} {n}: {name}: {v}" for word, n, name, v in rows)))


@given(series, st.data())
def test_a_cut_log_loses_its_end_alone(points: list[Point], data: st.DataObject) -> None:
    lines = [seed(p) for p in points]
    kept = data.draw(st.integers(0, len(lines)))
    assert log_of_text("\n".join(lines[:kept])).points == tuple(points[:kept])


@pytest.mark.parametrize("piece", ["a", "1", "epoch ", "loss: ", "1,", "{", "[", " ", "Epoch 1 "])
def test_a_line_of_megabytes_is_no_trouble(piece: str) -> None:
    check(log_of_text(piece * (3_000_000 // len(piece))))


def test_points_differ_where_the_text_differs() -> None:
    # Guards the round trip: a reader that returned constants would fail here.
    a, b = log_of_text(FIRST_FIVE), log_of_text(FIRST_FIVE.replace("0.6350", "0.6351"))
    assert replace(b.points[0], iou=0.635) == a.points[0]
    assert a.points[0] != b.points[0]
