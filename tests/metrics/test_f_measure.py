import numpy as np
import pytest

from decamo.metrics import f_measure


def test_closed_form() -> None:
    f = f_measure(np.array([0.5, 1.0, 0.0, 1.0]), np.array([1.0, 1.0, 0.0, 0.5]))
    assert f.tolist() == pytest.approx([1.3 * 0.5 / 1.15, 1, 0, 1.3 * 0.5 / 0.8])
