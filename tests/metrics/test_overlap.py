import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from py_sod_metrics import DICEHandler, FmeasureV2, IOUHandler

from decamo.metrics import dice, iou
from tests.metrics.brute_force import counts, masks, shapes

PAIRS = shapes.flatmap(lambda shape: st.tuples(masks(shape), masks(shape)))
NONE, ALL = np.zeros((3, 4), dtype=np.bool_), np.ones((3, 4), dtype=np.bool_)


@given(PAIRS)
def test_brute_force_agrees(pair: tuple[np.ndarray, np.ndarray]) -> None:
    tp, fp, fn = counts(*pair)

    assert iou(*pair) == (tp / (tp + fp + fn) if tp + fp + fn else 1)
    assert dice(*pair) == (2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1)


@given(PAIRS)
def test_dice_is_a_function_of_iou(pair: tuple[np.ndarray, np.ndarray]) -> None:
    j = iou(*pair)

    assert dice(*pair) == pytest.approx(2 * j / (1 + j))


@given(PAIRS)
def test_both_are_symmetric_and_between_0_and_1(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair

    assert 0 <= iou(a, b) == iou(b, a) <= 1
    assert 0 <= dice(a, b) == dice(b, a) <= 1


@given(PAIRS)
def test_pysodmetrics_agrees_where_there_is_an_object(pair: tuple[np.ndarray, np.ndarray]) -> None:
    prediction, mask = pair
    if not mask.any():  # there the toolbox adds nothing to its lists
        return
    oracle = FmeasureV2(
        {
            name: handler(with_dynamic=False, with_adaptive=False, with_binary=True)
            for name, handler in (("iou", IOUHandler), ("dice", DICEHandler))
        }
    )
    oracle.step(prediction.astype(np.float64), mask, normalize=False)
    results = oracle.get_results()

    assert iou(prediction, mask) == pytest.approx(results["iou"]["binary"])
    assert dice(prediction, mask) == pytest.approx(results["dice"]["binary"])


def test_an_empty_mask_is_met_by_an_empty_prediction_alone() -> None:
    one = NONE.copy()
    one[1, 2] = True

    assert (iou(NONE, NONE), dice(NONE, NONE)) == (1, 1)
    assert (iou(one, NONE), dice(one, NONE)) == (0, 0)
    assert (iou(NONE, one), dice(NONE, one)) == (0, 0)


def test_closed_form() -> None:
    left = ALL.copy()
    left[:, 2:] = False  # half of the object

    assert iou(left, ALL) == 1 / 2
    assert dice(left, ALL) == 2 / 3
