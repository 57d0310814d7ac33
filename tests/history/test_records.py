import json
import math
import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from decamo.history import EpochRecord

RECORD = EpochRecord(
    epoch=87,
    stage=2,
    step=59508,
    loss=0.2341,
    parts={"bce": 0.2, "iou": 0.0341},
    iou=0.6350,
    dice=0.7456,
    mae=0.05,
    lr={"head": 0.0002, "backbone.0": 0.0},
    train_seconds=100.5,
    val_seconds=9.5,
    img_size=384,
    usage=(0.25, 0.75),
    val_images=40,
    iou_sd=0.25,
    object_share=0.09,
    predicted_share=0.1,
    sure_wrong=0.3,
    skipped=2,
    gates=((0.5, 0.5), (0.0, 1.0)),
    routing_entropy=(0.75, 0.0),
    routing_balance=(1.0, 0.0),
)
LINE = re.compile(
    r"Epoch \d+: Loss: \d+\.\d{4} \| IoU: [01]\.\d{4} \| Dice: [01]\.\d{4} \| LR: \d+\.\d{6}"
)


def test_epoch_line_is_that_of_the_action_plan() -> None:
    assert RECORD.line() == "Epoch 87: Loss: 0.2341 | IoU: 0.6350 | Dice: 0.7456 | LR: 0.000200"


@given(st.integers(1, 10**6), st.floats(0, 1e6), st.floats(0, 1), st.floats(0, 1), st.floats(0, 10))
def test_epoch_line_keeps_its_form(
    epoch: int, loss: float, iou: float, dice: float, lr: float
) -> None:
    record = replace(RECORD, epoch=epoch, loss=loss, iou=iou, dice=dice, lr={"head": lr})

    assert LINE.fullmatch(record.line())


def test_tiny_rates_are_not_written_in_powers_of_ten() -> None:
    assert replace(RECORD, lr={"head": 1e-5}).line().endswith("LR: 0.000010")


def test_plain_values_survive_json() -> None:
    assert EpochRecord.from_plain(json.loads(json.dumps(RECORD.to_plain()))) == RECORD


def test_what_a_later_version_adds_is_passed_over() -> None:
    assert EpochRecord.from_plain(RECORD.to_plain() | {"weighted_f": 0.7}) == RECORD


def test_a_record_of_an_earlier_version_is_read() -> None:
    plain = RECORD.to_plain()
    for later in ("usage", "val_images", "iou_sd", "object_share", "predicted_share", "skipped"):
        del plain[later]
    for latest in ("gates", "routing_entropy", "routing_balance"):
        del plain[latest]

    read = EpochRecord.from_plain(plain)

    assert (read.usage, read.val_images, read.skipped) == ((), 0, 0)
    assert math.isnan(read.iou_sd)
    assert (read.gates, read.routing_entropy, read.routing_balance) == ((), (), ())
