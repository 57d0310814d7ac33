from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw
from scipy import ndimage

from decamo.data.regions import components_of, inset, joined_rings, rings_of, thinned
from tests.data.inside.sets import filled, near_corners

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
        again |= filled(joined_rings(outer, holes), mask.shape)
    np.testing.assert_array_equal(again, mask)


@CALM
@given(MASKS)
def test_outlines_within_the_object_are_the_mask_by_pixel_centres(mask: Any) -> None:
    tied, apart = np.zeros_like(mask), np.zeros_like(mask)
    for region in components_of(mask):
        (outer,), holes = rings_of(region)
        tied |= filled(joined_rings(inset(outer), [inset(hole) for hole in holes]), mask.shape)
        own = filled(inset(outer), mask.shape)
        for hole in holes:
            own &= ~filled(inset(hole, outwards=True), mask.shape)
        apart |= own
    np.testing.assert_array_equal(tied, mask)
    np.testing.assert_array_equal(apart, mask)


@CALM
@given(MASKS)
def test_outlines_within_the_object_are_the_mask_where_lines_are_filled_too(mask: Any) -> None:
    """By Pillow, as LabelMe fills: corners cut to whole pixels, the outline filled.

    So a bay that is open by a corner alone is closed, and counts as a hole.
    """
    for region in components_of(ndimage.binary_fill_holes(mask)):
        (outer,), _ = rings_of(region)
        picture = Image.new("1", mask.shape[::-1])
        ImageDraw.Draw(picture).polygon(inset(outer), outline=1, fill=1)
        assert not ((np.asarray(picture) != region) & ~near_corners(region)).any()


@pytest.mark.parametrize("tolerance", [0.0, 1.0, 3.0])
def test_thinned_outlines_stay_within_their_tolerance(tolerance: float) -> None:
    picture = Image.new("1", (90, 70))
    ImageDraw.Draw(picture).ellipse((10, 8, 80, 60), fill=1)
    mask = np.asarray(picture)
    ((outer,), _) = rings_of(mask)
    thin = thinned(outer, tolerance)
    again = filled(thin, mask.shape)
    near = ndimage.distance_transform_edt(mask) + ndimage.distance_transform_edt(~mask)
    assert near[again != mask].max(initial=0) <= tolerance + 1
    assert len(thin) <= len(outer)
    assert tolerance < 1 or len(thin) < len(outer) / 3
