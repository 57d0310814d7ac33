import numpy as np
from scipy.ndimage import distance_transform_edt

from decamo.metrics.nearness import REACH, Box, box_of, distances, fill_rim


def test_distances_are_euclidean_where_they_are_wanted() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        h, w = rng.integers(1, 320, 2)
        mask = np.zeros((h, w), np.bool_)
        mask[rng.integers(0, h, 9), rng.integers(0, w, 9)] = True
        wanted = (rng.random((h, w)) < rng.choice([0.001, 0.3, 1])) & ~mask
        want = distance_transform_edt(~mask) ** 2
        got = np.full((h, w), np.inf)
        box = box_of(mask)
        assert box is not None
        for window, here, squares in distances(mask, box, wanted):
            got[window][here] = squares
        near = wanted & (want <= REACH**2)
        np.testing.assert_array_equal(got[near], np.rint(want[near]))
        assert (got[wanted & ~near] > REACH**2).all()


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


def test_images_of_very_many_rows() -> None:
    mask = np.zeros((40_000, 3), np.bool_)
    mask[[5, 39_000], 1] = True
    box = box_of(mask)
    assert box is not None
    got = np.full(mask.shape, np.inf)
    for window, here, squares in distances(mask, box, ~mask):
        got[window][here] = squares
    assert got[[6, 100, 38_990], [1, 0, 2]].tolist() == [1, 95**2 + 1, 101]
    assert got[20_000].min() > REACH**2
