import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from decamo.inference.tta import decided


def region(logits: list[float]) -> list[bool]:
    """What one row of logits is decided to be."""
    shifted = decided(torch.tensor(logits, dtype=torch.float64).view(1, 1, 1, -1))
    return [bool(v) for v in (shifted >= 0).flatten()]


def expected_iou(chosen: Tensor, p: Tensor) -> float:
    """The quotient of expected intersection and expected union."""
    met = float(p[chosen].sum())
    return met / (int(chosen.sum()) + float(p.sum()) - met)


def test_where_little_is_sure_less_than_even_is_enough() -> None:
    # A pixel pays from p = IoU / (1 + IoU) on: here 0.36, and sigmoid(-0.3) is 0.43.
    assert region([1, 1, 1, -0.3, -0.3, -9]) == [True] * 5 + [False]
    assert region([4, 4, 4, -0.3, -0.3, -9]) == [True] * 3 + [False] * 3


def test_a_few_doubtful_pixels_far_from_certain_do_not() -> None:
    assert region([9.0] * 6 + [-3.0] * 4) == [True] * 6 + [False] * 4


def test_some_pixel_is_chosen_even_where_none_is_likely() -> None:
    assert region([-5, -4, -6]).count(True) >= 1


@given(st.lists(st.integers(-60, 60), min_size=1, max_size=7, unique=True))
def test_no_other_region_is_expected_to_be_better(tenths: list[int]) -> None:
    logits = torch.tensor(tenths, dtype=torch.float64) / 10
    p = logits.sigmoid()
    every = itertools.product([False, True], repeat=len(tenths))
    best = max(expected_iou(torch.tensor(some), p) for some in every if any(some))
    found = torch.tensor(region((logits).tolist()))
    assert expected_iou(found, p) == pytest.approx(best)


@given(st.integers(0, 2**32), st.floats(0.5, 4))
def test_a_map_is_moved_as_a_whole_and_alone(seed: int, spread: float) -> None:
    maps = torch.randn(2, 1, 4, 5, generator=torch.Generator().manual_seed(seed)) * spread
    moves = (decided(maps) - maps).flatten(1)
    torch.testing.assert_close(moves, moves[:, :1].expand_as(moves), atol=1e-5, rtol=0)
    torch.testing.assert_close(decided(maps[:1]), decided(maps)[:1])
    assert (decided(maps).flatten(1).max(1).values >= 0).all()


def test_what_is_sure_is_not_carried_away() -> None:
    nothing = torch.full((1, 1, 3, 3), -80.0)
    assert decided(nothing).max() == -71


def test_more_iou_on_average_where_probabilities_are_true() -> None:
    """Discs of a radius that the map knows only in distribution: drawn from the map itself."""
    draw = torch.Generator().manual_seed(0)
    radius = (torch.arange(32.0)[:, None] - 15.5).hypot(torch.arange(32.0) - 15.5)
    radii = 4 + 10 * torch.rand(400, generator=draw)
    p = (radii[:, None, None] > radius).double().mean(0).clamp(1e-6, 1 - 1e-6)
    logits = torch.logit(p)[None, None]
    scores = []
    for map_ in (logits, decided(logits)):
        found = map_[0, 0] >= 0
        ious = [
            float((found & truth).sum() / (found | truth).sum())
            for truth in (r > radius for r in radii)
        ]
        scores.append(sum(ious) / len(ious))
    assert scores[1] > scores[0]
