import numpy as np

from decamo.evaluation import Convention, Truth


def test_each_convention_has_its_mask() -> None:
    mask = np.array([[True, True], [False, False]])
    strict = np.array([[True, False], [False, False]])
    both = Truth(mask, strict)
    assert both.by(Convention.PLAIN) is mask
    assert both.by(Convention.PUBLISHED) is strict
    assert Truth(mask).by(Convention.PUBLISHED) is mask
    assert both.shape == (2, 2)
