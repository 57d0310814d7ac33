from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw
from scipy import ndimage

from decamo.data.regions import components_of, joined_rings, rings_of, thinned
from tests.data.inside.sets import filled

MASKS = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))
# the machine may be busy with other things
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@CALM
@given(MASKS)
def test_components_are_those_of_scipy(mask: Any) -> None:
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    found = components_of(mask)
    assert len(found) == count
    for region in found:
        (label,) = set(labels[region].tolist())
        np.testing.assert_array_equal(region, labels == label)


@CALM
@given(MASKS)
def test_outlines_filled_by_pycocotools_are_the_mask(mask: Any) -> None:
    again = np.zeros_like(mask)
    for region in components_of(mask):
        (outer,), holes = rings_of(region)
        again |= filled([(float(x), float(y)) for x, y in joined_rings(outer, holes)], mask.shape)
    np.testing.assert_array_equal(again, mask)


@pytest.mark.parametrize("tolerance", [0.0, 1.0, 3.0])
def test_thinned_outlines_stay_within_their_tolerance(tolerance: float) -> None:
    picture = Image.new("1", (90, 70))
    ImageDraw.Draw(picture).ellipse((10, 8, 80, 60), fill=1)
    mask = np.asarray(picture)
    ((outer,), _) = rings_of(mask)
    thin = thinned(outer, tolerance)
    again = filled([(float(x), float(y)) for x, y in thin], mask.shape)
    near = ndimage.distance_transform_edt(mask) + ndimage.distance_transform_edt(~mask)
    assert near[again != mask].max(initial=0) <= tolerance + 1
    assert len(thin) <= len(outer)
    assert tolerance < 1 or len(thin) < len(outer) / 3
