import pytest

from decamo.history.log_lines import LONGEST_LINE, cleaned, headline, parsed_line_of


def values(line: str) -> dict[str, float]:
    parsed = parsed_line_of(cleaned(line))
    return {one.key: one.value for one in parsed.said} if parsed else {}


SEED = "Epoch 87: Loss: 0.2341 | IoU: 0.6350 | Dice: 0.7456 | LR: 0.000200"
WHOLE = {"loss": 0.2341, "iou": 0.635, "dice": 0.7456, "lr": 0.0002}


@pytest.mark.parametrize(
    "line",
    [
        SEED,
        SEED.upper(),
        SEED.lower(),
        f"\x1b[32m2024-01-02 10:00:00,123\x1b[0m - INFO - trainer.py:12 - {SEED}",
        f"[rank0]: {SEED}\x07",
        "Epoch 87: LR: 2.00e-04 | Dice: 0.7456 | IoU: 63.5% | Loss: 2.341e-1",
        "Epoch [87/120], Dice = 74.56 %, IoU = 0,6350, Loss = 0,2341, LR = 0,0002",
        "epoch=87 loss=0.2341 val_iou=0.635 val_dice=0.7456 lr=2e-4",
        "{'epoch': 87, 'loss': 0.2341, 'iou': np.float64(0.635), 'dice': 0.7456, 'lr': [0.0002]}",
        "Epoch 87 - learning rate: 0.0002 - train loss 0.2341 - mean IoU 0.635 - Dice score 0.7456",
        "Epoch 87 train: loss=0.2341 iou=0.7 | val: iou=0.635 dice=0.7456 | lr=0.0002",
        "训练 Epoch：87 loss：0.2341 iou：0.635 dice：74.56％ lr：2e-4",
        "Epoch #87 **Loss**: 0.2341 **IoU**: 0.635 **Dice**: 0.7456 **LR**: 0.0002",
    ],
)
def test_one_line_in_many_hands(line: str) -> None:
    parsed = parsed_line_of(cleaned(line))
    assert parsed is not None
    assert parsed.epoch == 87
    assert not parsed.running
    best = {one.key: one for one in sorted(parsed.said, key=lambda one: one.meaning.rank)}
    assert {key: one.value for key, one in best.items()} == pytest.approx(WHOLE)


@pytest.mark.parametrize(
    "line",
    [
        "- Only gained 0.01 IoU in last 17 epochs (epoch 69→86)",
        "- Stuck at IoU ~0.62 after 86 epochs",
        "    --lr 0.00025 \\",
        "- If IoU 0.66-0.70: good progress, may need more epochs",
        "3. Push from IoU: 0.68 → 0.72",
        "**Target**: IoU 0.72",
        "Stage 2 (Epochs 31-120): LR = 0.1 to 0.2",
        "best IoU 0.7134 at epoch 120: runs/latest/best_model.pth",
        "Epoch 5: best IoU: 0.7, target Dice: 0.8, dice_loss: 0.3, iou_thr: 0.5",
        "we saw at last a loss: 0.3 and that was more than any of us had hoped to see here",
        "branch: epoch 87 to 120, step 700 to 1050, LR 0.000200 -> 0.000010 (--epochs 86 -> 120)",
    ],
)
def test_prose_flags_and_ranges_say_nothing(line: str) -> None:
    assert values(line) == {}


def test_a_line_without_number_speaks_of_the_epoch_under_way() -> None:
    parsed = parsed_line_of("val_loss: 0.3 - val_iou: 0.6")
    assert parsed is not None
    assert parsed.epoch is None


@pytest.mark.parametrize(
    "line",
    [
        "Epoch 87/120:  45%|####5  | 10/22 [00:01<00:02, 5.1it/s, loss=0.3, val_iou=0.6]",
        "Epoch [001/100], Step [0040/0080], Total_loss: 0.5, IoU: 0.6",
        "Train Epoch: 3 [640/60000 (1%)]\tLoss: 2.1",
        "Epoch(train) [87][50/100] lr: 1.0e-02, loss: 0.9",
        " 1/22 [>.............................] - ETA: 10s - loss: 9.0 - iou: 0.1",
    ],
)
def test_within_an_epoch_no_score_counts(line: str) -> None:
    parsed = parsed_line_of(cleaned(line))
    assert parsed is not None
    assert parsed.running
    assert "iou" not in values(line)
    assert "loss" in values(line)


@pytest.mark.parametrize(
    "line",
    [
        "Epoch [001/100], Step [0080/0080], Total_loss: 0.5, IoU: 0.6",
        "Epoch(val) [87][22/22] mIoU: 63.50 loss: 0.5",
        "{'loss': 0.5, 'epoch': 0.5, 'eval_iou': 0.5}",
    ],
)
def test_the_last_step_scores_the_epoch_but_has_a_loss_of_its_own(line: str) -> None:
    parsed = parsed_line_of(cleaned(line))
    assert parsed is not None
    assert not parsed.running
    assert {one.key: one.meaning.running for one in parsed.said} == {
        **{one.key: True for one in parsed.said},
        "iou": False,
    }


@pytest.mark.parametrize(
    "line",
    [
        "Epoch 87/120: 100%|#######| 22/22 [00:03<00:00, 5.1it/s, loss=0.3, iou=0.6]",
        "22/22 [==============================] - 10s 5ms/step - loss: 0.2 - iou: 0.5",
    ],
)
def test_a_bar_at_its_end_is_the_epoch(line: str) -> None:
    parsed = parsed_line_of(cleaned(line))
    assert parsed is not None
    assert parsed.redrawn
    assert not parsed.running
    assert len(parsed.said) == 2


def test_headlines() -> None:
    assert headline("Epoch 5/100") == (5, 100)
    assert headline("=== Epoch 5 of 100 ===") == (5, 100)
    assert headline("a note on what we thought of epoch 5 after all was said and done") is None
    assert headline("epochs: 100") is None


def test_best_epoch_is_not_the_epoch() -> None:
    line = "[Val Info]:Epoch:7 MAE:0.05 bestEpoch:3 bestMAE:0.04"
    parsed = parsed_line_of(line)
    assert parsed is not None
    assert parsed.epoch == 7
    assert values(line) == {"mae": 0.05}
    assert headline("best epoch: 3") is None


def test_a_line_is_looked_at_so_far() -> None:
    assert len(cleaned("x" * 10 * LONGEST_LINE)) == LONGEST_LINE
