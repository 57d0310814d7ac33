from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from decamo.errors import CheckpointForeign
from decamo.storage.formats import FORMAT, UPGRADES, upgraded
from decamo.storage.sealed import load_sealed
from tests.storage.format_1 import FILE, sealed_1, state_of_format_1


def same(a: Any, b: Any) -> bool:
    """Equal in every value, kind and shape."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


def test_every_format_before_the_present_one_has_its_upgrade() -> None:
    assert set(UPGRADES) == set(range(1, FORMAT))


def test_the_file_of_format_1_is_read_for_ever() -> None:
    assert FILE.stat().st_size < 200_000

    loaded = load_sealed(FILE)

    assert loaded["format"] == FORMAT
    assert same(loaded, upgraded(FILE, state_of_format_1()))


def test_the_file_of_format_1_is_that_of_its_time() -> None:
    held = torch.load(FILE, weights_only=True)

    assert same(held, state_of_format_1())
    assert b"decamo-checkpoint-1 " in FILE.read_bytes()[-100:]
    assert abs(len(sealed_1(state_of_format_1())) - FILE.stat().st_size) < 10_000


def renamed(state: Mapping[str, Any]) -> dict[str, Any]:
    return {("b" if k == "a" else k): v for k, v in state.items()}


def doubled(state: Mapping[str, Any]) -> dict[str, Any]:
    return {**state, "b": 2 * state["b"]}


class TestUpgraded:
    def test_goes_through_every_step_in_order(self) -> None:
        old = {"format": 1, "a": 5}

        new = upgraded(Path("x"), old, {1: renamed, 2: doubled}, 3)

        assert new == {"format": 3, "b": 10}
        assert old == {"format": 1, "a": 5}

    def test_starts_at_the_format_of_the_file(self) -> None:
        assert upgraded(Path("x"), {"format": 2, "b": 5}, {1: renamed, 2: doubled}, 3)["b"] == 10

    def test_the_present_format_stays_as_it_is(self) -> None:
        assert upgraded(Path("x"), {"format": FORMAT, "b": 5}) == {"format": FORMAT, "b": 5}

    @pytest.mark.parametrize("found", [None, "1", 0, -1, True, 1.0, [1]])
    def test_no_format_is_foreign(self, found: object) -> None:
        with pytest.raises(CheckpointForeign, match="names no format"):
            upgraded(Path("x"), {"format": found})

    def test_a_later_one_says_to_update(self) -> None:
        with pytest.raises(CheckpointForeign, match="update decamo"):
            upgraded(Path("x"), {"format": FORMAT + 1})
