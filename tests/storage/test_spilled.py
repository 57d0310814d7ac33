import errno
import io
import json
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decamo.errors import StorageError
from decamo.storage.json_text import json_pieces
from decamo.storage.spilled import Picked, Spilled


@pytest.mark.parametrize("held", [0, 3, 100])
def test_what_was_added_comes_back_in_order_and_to_the_bit(held: int) -> None:
    random = np.random.default_rng(0)
    values: list[dict[str, Any]] = [
        {"at": n, "curve": random.normal(size=n % 7)} for n in range(20)
    ]
    spilled: Spilled[dict[str, Any]] = Spilled(held)
    for number, value in enumerate(values):
        spilled.append(value)
        assert len(spilled) == number + 1
        assert spilled[number // 2]["at"] == number // 2  # reading moves no end
    for order in (range(20), range(19, -1, -1)):
        for n in order:
            assert spilled[n]["at"] == n
            assert spilled[n]["curve"].tobytes() == values[n]["curve"].tobytes()
    assert [one["at"] for one in spilled[4:19:5]] == [4, 9, 14]
    assert spilled[-1]["at"] == 19
    with pytest.raises(IndexError):
        spilled[20]


def test_some_of_a_sequence_in_another_order() -> None:
    some = Picked(["a", "bb", "ccc"], array("Q", [2, 0]), len)
    assert list(some) == [3, 1]
    assert list(some[1:]) == [1]
    assert list(Picked.those("xyz", [1, 2])) == ["y", "z"]


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"a": [], "b": {}, "c": ()},
        {"n": float("nan"), "p": Path("x/y"), "t": 'a "quoted"\nline é'},
        {"deep": [{"x": [1, 2.5, [3]]}, [{}], "s", None, True]},
        {1: "a", None: [2]},
        [[{"a": {"b": [{"c": 1}]}}]],
    ],
)
def test_pieces_are_the_text_that_json_makes(value: Any) -> None:
    assert "".join(json_pieces(value)) == json.dumps(value, indent=2, default=str)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_values_that_are_looked_up_are_written_as_a_list(count: int) -> None:
    values = [{"n": n, "of": [n, {"m": n}]} for n in range(count)]
    later = {"sets": [{"images": Picked.those(values, range(count)), "x": 1}]}
    plain = {"sets": [{"images": values, "x": 1}]}
    assert "".join(json_pieces(later)) == json.dumps(plain, indent=2)


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", Full)
    spilled: Spilled[int] = Spilled(2)
    spilled.append(1)
    spilled.append(2)
    with pytest.raises(StorageError, match="No space left on device"):
        spilled.append(3)
