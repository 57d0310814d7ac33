import math

import pytest

from decamo.history.log_tables import object_of, parsed_object


def test_nested_values_are_found_by_their_path() -> None:
    parsed = parsed_object(
        {
            "epoch": 3,
            "train": {"loss": 0.5, "iou": 0.9},
            "val": {"loss": 0.6, "iou": "0.55", "best": {"iou": 0.7}},
            "lr": {"head": 0.1, "backbone": [0.01]},
            "done": True,
        }
    )
    assert parsed is not None
    assert parsed.epoch == 3
    assert {one.key: one.value for one in parsed.said} == {
        **{"loss": 0.5, "val_loss": 0.6, "iou": 0.55, "lr/head": 0.1, "lr/backbone": 0.01}
    }


def test_a_part_of_an_epoch_belongs_to_the_one_under_way() -> None:
    parsed = parsed_object({"epoch": 1.25, "loss": 0.5})
    assert parsed is not None
    assert (parsed.epoch, parsed.running) == (2, True)


def test_an_infinite_loss_is_not_a_number() -> None:
    entry = object_of('{"epoch": 1, "loss": Infinity, "val_loss": 1' + "0" * 400 + "}")
    assert entry is not None
    parsed = parsed_object(entry)
    assert parsed is not None
    assert all(math.isnan(one.value) for one in parsed.said)


def test_an_object_that_knows_nothing_says_nothing() -> None:
    assert parsed_object({"epoch": 3, "note": "fine"}) is None


@pytest.mark.parametrize(
    "line",
    ["", "[1]", "{", "{'a': 1}", '{"a": ' * 100000 + "}" * 100000, '{"a": 1' + "0" * 10000 + "}"],
)
def test_what_is_no_object(line: str) -> None:
    assert object_of(line) is None
