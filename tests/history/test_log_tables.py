import pytest

from decamo.history.log_tables import table_of


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("epoch,loss,val_iou", "3,0.5,0.6"),
        ("epoch;loss;val_iou", "3;0,5;0,6"),
        ("epoch\tloss\tval_iou", "3\t0.5\t0.6"),
        ('"epoch","loss","val_iou"', '"3","0.5","60%"'),
        ("| epoch | loss | val_iou |", "| 3 | 0.5 | 0.6 |"),
        ("epoch     loss    val_iou", "3         0.5     0.6"),
        ("epoch loss val_iou", "3 0.5 0.6"),
    ],
)
def test_a_row_under_its_header(header: str, row: str) -> None:
    table = table_of(header)
    assert table is not None
    parsed = table.row(row)
    assert parsed is not None
    assert parsed.epoch == 3
    assert {one.key: one.value for one in parsed.said} == {"loss": 0.5, "iou": 0.6}


def test_an_empty_cell_says_nothing() -> None:
    table = table_of("epoch,loss,iou")
    assert table is not None
    parsed = table.row("1,,0.5")
    assert parsed is not None
    assert [one.key for one in parsed.said] == ["iou"]


def test_of_two_columns_the_one_of_the_validation_counts() -> None:
    table = table_of("epoch,iou,val_iou,best_iou")
    assert table is not None
    assert list(table.meanings) == [2]


def test_columns_of_steps_are_told_from_those_of_epochs() -> None:
    table = table_of("epoch,step,train_loss,train_loss_epoch,val_iou")
    assert table is not None
    assert {i: m.running for i, m in table.meanings.items()} == {2: True, 3: False, 4: False}


@pytest.mark.parametrize(
    "line", ["", ",", "Epoch 3, loss 0.5", "a,b,c", "step,loss", "the epoch of IoU and loss: yes"]
)
def test_what_is_no_header(line: str) -> None:
    assert table_of(line) is None


@pytest.mark.parametrize("line", ["", "1,2", "x,0.5,0.6", "-1,0.5,0.6", "nan,1,1", "1e9,1,1"])
def test_what_is_no_row(line: str) -> None:
    table = table_of("epoch,loss,iou")
    assert table is not None
    assert table.row(line) is None
