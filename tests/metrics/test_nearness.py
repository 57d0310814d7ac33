import numpy as np
from scipy.ndimage import distance_transform_edt

from decamo.metrics.distances import Box, box_of, fill_rim


def test_the_rim_takes_what_the_nearest_object_pixel_has() -> None:
    rng = np.random.default_rng(1)
    for share in (0.01, 0.05, 0.2, 0.6):
        for _ in range(40):
            mask = np.zeros((40, 44), np.bool_)
            mask[8:-8, 8:-8] = rng.random((24, 28)) < share
            values = rng.random(mask.shape) * mask
            row, column = distance_transform_edt(~mask, return_distances=False, return_indices=True)
            want = values[row, column]
            fill_rim(values, mask, np.ones_like(mask))
            rim = np.zeros_like(mask)
            for y, x in np.argwhere(mask):
                rim[y - 3 : y + 4, x - 3 : x + 4] = True
            np.testing.assert_array_equal(values, np.where(rim, want, 0))


def test_box() -> None:
    mask = np.zeros((5, 6), np.bool_)
    assert box_of(mask) is None
    mask[1, 2] = mask[3, 4] = True
    assert box_of(mask) == Box(1, 4, 2, 5)
