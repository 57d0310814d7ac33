"""The atlas against a flood fill and a search over all pixels, and its parts against the loss."""

import math
from collections import deque
from dataclasses import astuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from decamo.evaluation import ERROR_KINDS
from decamo.evaluation.error_analysis import classify_errors, lost_iou
from decamo.metrics import iou

Binary = npt.NDArray[np.bool_]
SMALL = arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def component(of: Binary, start: tuple[int, int], reach: int) -> set[tuple[int, int]]:
    """Flood fill; ``reach`` 2 joins corners, 1 only sides."""
    seen, queue = {start}, deque([start])
    while queue:
        y, x = queue.popleft()
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                to = y + dy, x + dx
                inside = 0 <= to[0] < of.shape[0] and 0 <= to[1] < of.shape[1]
                if abs(dy) + abs(dx) <= reach and inside and of[to] and to not in seen:
                    seen.add(to)
                    queue.append(to)
    return seen


def brute_kind(prediction: Binary, mask: Binary, at: tuple[int, int], band: int) -> str:
    if prediction[at] == mask[at]:
        return ""
    mine, other = (mask, prediction) if mask[at] else (prediction, mask)
    if not any(other[p] for p in component(mine, at, 2)):
        return "missed" if mask[at] else "false"
    others = np.argwhere(mask != mask[at])
    if len(others) and min(math.dist(at, o) for o in others) <= band:
        return "boundary"
    if prediction[at]:
        return "spill"
    gap = component(~prediction, at, 1)
    height, width = mask.shape
    open_ = any(y in (0, height - 1) or x in (0, width - 1) for y, x in gap)
    return "part" if open_ else "hole"


@settings(max_examples=150, deadline=None)
@given(st.data(), SMALL, st.integers(1, 3))
def test_kinds_are_those_of_brute_force(data: st.DataObject, mask: Binary, band: int) -> None:
    prediction = data.draw(arrays(np.bool_, mask.shape))

    kinds = classify_errors(prediction, mask, band)

    for at in np.ndindex(mask.shape):
        place = (at[0], at[1])
        name = brute_kind(prediction, mask, place, band)
        assert kinds[place] == (1 + ERROR_KINDS.index(name) if name else 0)


@settings(max_examples=150, deadline=None)
@given(st.data(), SMALL)
def test_the_parts_sum_to_the_whole_loss(data: st.DataObject, mask: Binary) -> None:
    prediction = data.draw(arrays(np.bool_, mask.shape))

    loss = lost_iou(prediction, mask)

    parts = [getattr(loss, kind) for kind in ERROR_KINDS]
    assert loss.iou == iou(prediction, mask)
    assert math.fsum(parts) == pytest.approx(1 - loss.iou, abs=1e-14)
    assert loss.iou <= loss.iou_perfect_boundary <= 1
    mended = np.where(classify_errors(prediction, mask, 1) == 3, mask, prediction)
    assert loss.iou_perfect_boundary == iou(mended, mask)


def test_each_kind_by_hand() -> None:
    mask = np.zeros((40, 60), np.bool_)
    mask[5:25, 5:35] = True
    mask[30:34, 50:54] = True  # missed
    prediction = np.zeros_like(mask)
    prediction[5:25, 6:45] = True  # one column short; spills over 10 columns
    prediction[12:16, 18:22] = False  # hole
    prediction[1:3, 55:58] = True  # false
    prediction[15:25, 5:12] = False  # a corner cut off

    counts = np.bincount(classify_errors(prediction, mask, 1).ravel(), minlength=7)[1:]

    told = dict(zip(ERROR_KINDS, counts.tolist(), strict=True))
    assert told["missed"] == 16
    assert told["false"] == 6
    assert told["hole"] == 16
    assert told["spill"] == 20 * 9
    assert told["part"] == 6 * 9
    assert told["boundary"] == 20 + 20 + 6  # missing column, first column of the spill, cut's foot


def test_nothing_to_find_and_nothing_found_loses_nothing() -> None:
    empty = np.zeros((5, 5), np.bool_)
    assert astuple(lost_iou(empty, empty)) == (0, 0, 0, 0, 0, 0, 1, 1)
    assert lost_iou(~empty, empty).false == 1
    assert lost_iou(empty, ~empty).missed == 1
