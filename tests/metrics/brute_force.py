"""Counts and scores by plain loops over pixels, as a textbook has them."""

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

__all__ = ["counts", "masks", "probabilities", "shapes"]

shapes = st.tuples(st.integers(1, 7), st.integers(1, 7))


def counts(prediction: npt.NDArray[np.bool_], mask: npt.NDArray[np.bool_]) -> tuple[int, int, int]:
    """True positives, false positives, false negatives."""
    tp = fp = fn = 0
    for row_p, row_m in zip(prediction.tolist(), mask.tolist(), strict=True):
        for p, m in zip(row_p, row_m, strict=True):
            tp += p and m
            fp += p and not m
            fn += m and not p
    return tp, fp, fn


def masks(shape: tuple[int, int]) -> st.SearchStrategy[Any]:
    """Bool arrays, empty and full ones among them."""
    return arrays(np.bool_, shape) | st.booleans().map(lambda on: np.full(shape, on))


def probabilities(shape: tuple[int, int]) -> st.SearchStrategy[Any]:
    """Float32 arrays in [0, 1]."""
    return arrays(np.float32, shape, elements=st.floats(0, 1, width=32))
