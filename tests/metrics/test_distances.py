import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from decamo.metrics import distances as room
from decamo.metrics.distances import REACH, SQUARES, box_of, distances


def assert_exact(mask: np.ndarray, wanted: np.ndarray) -> None:
    want = distance_transform_edt(~mask) ** 2
    got = np.full(mask.shape, np.inf)
    box = box_of(mask)
    assert box is not None
    for window, offsets in distances(mask, box, wanted):
        assert np.isinf(got[window]).all()
        got[window] = SQUARES.take(offsets, mode="clip")
    near = wanted & (want <= REACH**2)
    np.testing.assert_array_equal(got[near], np.rint(want[near]))
    assert (got[wanted & ~near] > REACH**2).all()


def test_distances_are_euclidean_where_they_are_wanted() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        h, w = rng.integers(1, 320, 2)
        mask = np.zeros((h, w), np.bool_)
        mask[rng.integers(0, h, 9), rng.integers(0, w, 9)] = True
        assert_exact(mask, (rng.random((h, w)) < rng.choice([0.001, 0.3, 1])) & ~mask)


@pytest.mark.parametrize("strip", [1, 3000, 128_000])
def test_distances_to_shapes_are_euclidean(strip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "STRIP", strip)
    rng = np.random.default_rng(1)
    for _ in range(12):
        h, w = rng.integers(20, 260, 2)
        y, x = np.mgrid[:h, :w]
        mask = np.zeros((h, w), np.bool_)
        for _ in range(rng.integers(1, 5)):  # disks, rings and lines: many equal distances
            r = np.hypot(y - rng.integers(h), x - rng.integers(w))
            mask |= (r < rng.integers(1, 40)) & (r > rng.choice([-1, 9]))
        mask[rng.integers(h), : rng.integers(1, w)] = True
        assert_exact(mask, ~mask)


def test_rows_do_not_see_the_object_in_other_rows() -> None:
    for w in (1, 2, 50, 220):  # specks at the edges, rows apart beyond the reach
        mask = np.zeros((500, w), np.bool_)
        mask[0, 0] = mask[-1, -1] = True
        assert_exact(mask, ~mask)


def test_images_of_very_many_rows_or_columns() -> None:
    mask = np.zeros((40_000, 3), np.bool_)
    mask[[5, 39_000], 1] = True
    assert_exact(mask, ~mask)
    assert_exact(mask.T.copy(), ~mask.T)
    wide = np.zeros((2, 300_000), np.bool_)
    wide[1, [0, 150_000, 299_999]] = True
    assert_exact(wide, ~wide)


def test_windows_that_are_wider_than_an_offset_may_be() -> None:
    rng = np.random.default_rng(2)
    for width in (room.WIDE - 1, room.WIDE, room.WIDE + 1, 2 * room.WIDE + 40):
        mask = np.zeros((290, width), np.bool_)
        mask[rng.integers(0, 20, 12), rng.integers(0, width, 12)] = True
        mask[-1, [0, -1]] = True  # rows between are beyond reach
        assert_exact(mask, ~mask)
