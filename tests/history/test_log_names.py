import pytest

from decamo.history.log_names import (
    ColumnMeaning,
    blocks,
    column_meaning,
    is_epoch,
    is_step,
    scope_of,
)


@pytest.mark.parametrize(
    ("name", "field", "rank"),
    [
        ("IoU", "iou", 2),
        ("mIoU", "iou", 2),
        ("val_iou", "iou", 3),
        ("valIoU", "iou", 3),
        ("val/mean_IoU", "iou", 3),
        ("validation/iou", "iou", 3),
        ("test_iou", "iou", 1),
        ("Jaccard index", "iou", 2),
        ("val_binary_jaccard_index", "iou", 3),
        ("Dice Coefficient", "dice", 2),
        ("val_f1", "dice", 3),
        ("DSC", "dice", 2),
        ("MAE", "mae", 2),
        ("loss", "loss", 2),
        ("Loss/train", "loss", 3),
        ("train_loss_epoch", "loss", 3),
        ("total_loss", "loss", 2),
        ("loss/total", "loss", 2),
        ("eval_loss", "val_loss", 3),
        ("valid_loss", "val_loss", 3),
        ("learning_rate", "lr", 2),
        ("learning rate", "lr", 2),
        ("lr", "lr", 2),
        ("grad_norm", "grad_norm", 2),
    ],
)
def test_names_of_other_tools(name: str, field: str, rank: int) -> None:
    meaning = column_meaning(name)
    assert meaning == ColumnMeaning(field, rank)


@pytest.mark.parametrize(
    "name",
    [
        *("bestMAE", "best_iou", "max_iou", "ema_iou", "target IoU", "previous", "boundary_iou"),
        *("dice_loss", "iou_loss", "seg_loss", "train_iou", "min_lr", "stage2_lr", "base_lr"),
        *("", "accuracy", "serious", "time", "iou_thr", "lossless"),
    ],
)
def test_names_that_mean_another_number(name: str) -> None:
    assert column_meaning(name) is None


def test_groups_of_a_learning_rate_keep_their_names() -> None:
    assert column_meaning("lr/backbone.3") == ColumnMeaning("lr", 2, "backbone.3")
    assert column_meaning("lr/head") == ColumnMeaning("lr", 2, "head")
    assert column_meaning("lr-AdamW") == ColumnMeaning("lr", 2, "adam.w")


def test_a_loss_by_step_says_so() -> None:
    assert column_meaning("train_loss_step") == ColumnMeaning("loss", 3, running=True)


def test_the_text_around_a_name_says_what_it_leaves_open() -> None:
    assert column_meaning("loss", "val") == ColumnMeaning("val_loss", 3)
    assert column_meaning("iou", "val") == ColumnMeaning("iou", 3)
    # A logger may be called "train": such a score is the last resort, not nothing.
    assert column_meaning("iou", "train") == ColumnMeaning("iou", 1)
    assert column_meaning("train_loss", "val") == ColumnMeaning("loss", 3)


def test_single_words() -> None:
    assert [scope_of(w) for w in ("Validating", "TRAIN", "test", "trainer")] == [
        *("val", "train", "test", "")
    ]
    assert blocks("Best")
    assert not blocks("mean")
    assert is_epoch("Epoch")
    assert not is_epoch("best_epoch")
    assert is_step("global_step")
