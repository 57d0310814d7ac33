import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from decamo.inference.tta import Window, blended, finer, window_of

S = 64


def spot(top: int, left: int, side: int, sure: float = 6.0) -> Tensor:
    """A square object on a map of S x S."""
    logits = torch.full((1, S, S), -sure)
    logits[:, top : top + side, left : left + side] = sure
    return logits


@given(st.integers(0, S - 17), st.integers(0, S - 17), st.integers(4, 16))
def test_a_window_holds_the_object_and_ground_around_it(top: int, left: int, side: int) -> None:
    window = window_of(spot(top, left, side))
    assert window is not None
    assert 0 <= window.top <= window.top + window.height <= 1
    assert 0 <= window.left <= window.left + window.width <= 1
    assert window.top * S <= top + 1
    assert (window.top + window.height) * S >= top + side - 1
    assert window.left * S <= left + 1
    assert (window.left + window.width) * S >= left + side - 1
    assert window.height == window.width == pytest.approx(max(0.4, window.height))


def test_a_window_follows_the_object() -> None:
    window = window_of(spot(40, 4, 10))
    assert window is not None
    assert window.top + window.height / 2 == pytest.approx(45 / S, abs=0.03)
    assert window.left == 0  # the image ends there


def test_a_large_object_needs_no_closer_look() -> None:
    assert window_of(spot(4, 4, 54)) is None


def test_a_shy_map_shows_where_the_object_is() -> None:
    sure = window_of(spot(30, 30, 12))
    shy = window_of(spot(30, 30, 12) - 7)  # nowhere more likely than not
    assert shy == sure


def test_an_empty_map_has_a_window_or_none_but_no_error() -> None:
    window_of(torch.full((1, S, S), -200.0))


def test_both_looks_weigh_alike_within_and_the_first_alone_without() -> None:
    window = Window(0.25, 0.5, 0.5, 0.25)
    p = blended(torch.full((1, S, S), -2.0), torch.full((1, S, S), 3.0), window).sigmoid()
    low, high = torch.tensor(-2.0).sigmoid(), torch.tensor(3.0).sigmoid()
    rows, columns = window.slices(2 * S, 2 * S)
    assert (rows, columns) == (slice(32, 96), slice(64, 96))
    inside = torch.zeros(2 * S, 2 * S, dtype=torch.bool)
    inside[rows, columns] = True
    torch.testing.assert_close(p[0][inside], ((low + high) / 2).expand(64 * 32))
    torch.testing.assert_close(p[0][~inside], low.expand(int((~inside).sum())))


def test_a_closer_look_lands_where_it_was_cut() -> None:
    """A network that sees brightness: what the window shows must fall on what the image shows."""
    image = np.zeros((200, 300, 3), np.uint8)
    image[120:140, 200:230] = 255
    window = Window(0.5, 0.5, 0.4, 0.5)
    cut = torch.from_numpy(window.cut(image)).permute(2, 0, 1)[:1].float()
    closer = torch.nn.functional.interpolate(cut[None], size=(S, S), mode="bilinear")[0] / 10 - 12
    found = blended(torch.full((1, S, S), -12.0), closer, window)[0] > -1
    rows, columns = (torch.where(found.any(axis))[0] for axis in (1, 0))
    assert int(rows.min()) / (2 * S) == pytest.approx(120 / 200, abs=0.02)
    assert int(rows.max()) / (2 * S) == pytest.approx(140 / 200, abs=0.02)
    assert int(columns.min()) / (2 * S) == pytest.approx(200 / 300, abs=0.02)
    assert int(columns.max()) / (2 * S) == pytest.approx(230 / 300, abs=0.02)


@given(st.floats(0, 0.99), st.floats(0.01, 1), st.integers(1, 40))
def test_slices_are_never_empty_and_never_outside(start: float, length: float, size: int) -> None:
    (rows, _) = Window(start, 0, min(length, 1 - start), 1).slices(size, 3)
    assert 0 <= rows.start < rows.stop <= size


def test_a_finer_map_says_the_same() -> None:
    assert finer(torch.full((1, S, S), 0.7)).shape == (1, 2 * S, 2 * S)
    torch.testing.assert_close(finer(torch.full((1, 4, 4), 0.7)), torch.full((1, 8, 8), 0.7))
