import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from decamo.errors import CheckpointForeign
from decamo.storage.checkpoint_structure import validate_state
from tests.storage.format_1 import state_of_format_1

PATH = Path("last.pth")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every field below the top."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*path, key)
            yield from places(value[key], (*path, key))


def changed(place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    state = copy.deepcopy(state_of_format_1())
    inner: Any = state
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return state


PLACES = list(places(state_of_format_1()))


def test_a_whole_state_passes() -> None:
    validate_state(PATH, state_of_format_1())


@pytest.mark.parametrize("place", PLACES, ids=lambda p: ".".join(map(str, p)))
def test_a_field_of_another_type_is_named(place: tuple[Any, ...]) -> None:
    class Strange:
        pass

    with pytest.raises(CheckpointForeign) as caught:
        validate_state(PATH, changed(place, Strange()))

    assert len(str(caught.value).splitlines()) == 1
    named = caught.value.got.partition(" should be ")[0]
    assert str(place[0]) in named


@pytest.mark.parametrize(
    "place", [p for p in PLACES if len(p) == 1 and p != ("decamo",)], ids=lambda p: p[0]
)
def test_a_missing_field_is_named(place: tuple[str]) -> None:
    state = state_of_format_1()
    del state[place[0]]

    with pytest.raises(CheckpointForeign, match=f"{place[0]} should be there"):
        validate_state(PATH, state)


@pytest.mark.parametrize(
    ("place", "value", "word"),
    [
        (("position", "step"), True, "position.step"),
        (("position", "step"), -1, "position.step"),
        (("position", "day"), 3, "absent in this version"),
        (("ledger", 0, "images"), 0, "images"),
        (("ledger", 0, "levels"), 10**9, "levels"),
        (("ledger", 0, "schedule", "epochs"), -4, "--epochs"),
        (("ledger", 0, "schedule", "colour"), "red", "absent in this version"),
        (("settings", "schedule", "colour"), "red", "valid"),
        (("settings", "schedule", "lr"), -1.0, "--lr"),
        (("architecture", "width"), 10**7, "architecture.width"),
        (("architecture", "zoom"), 10**7, "architecture.zoom"),
        (("architecture", "fovea"), 1e-9, "architecture.fovea"),
        (("architecture", "fovea"), "half", "architecture.fovea"),
        (("architecture", "zoom"), math.nan, "architecture.zoom"),
        (("architecture", "input_mean"), [0.5], "input_mean"),
        (("generators", "cpu"), torch.zeros(4), "generators.cpu"),
        (("history", 1, "img_size"), "32", r"history\[1\].img_size"),
        (("history", 1, "val_images"), "three", r"history\[1\].val_images"),
        (("scaler", "scale"), "big", "scaler.scale"),
        (("best", "iou"), None, "best.iou"),
    ],
)
def test_what_cannot_be_is_named(place: tuple[Any, ...], value: Any, word: str) -> None:
    with pytest.raises(CheckpointForeign, match=word):
        validate_state(PATH, changed(place, value))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("ema",), None),
        (("optimiser",), {}),
        (("scaler",), {}),
        (("history",), []),
        (("later",), {"anything": object()}),
        (("history", 0, "later"), [1, 2]),
        (("history", 0, "iou_sd"), 0.25),
        (("history", 0, "loss"), float("nan")),
        (("generators", "cuda"), [torch.zeros(16, dtype=torch.uint8)]),
        (("settings", "model", "input_mean"), [0.5, 0.5, 0.5]),
        (("settings", "run"), {}),
    ],
)
def test_what_may_be_passes(place: tuple[Any, ...], value: Any) -> None:
    validate_state(PATH, changed(place, value))
