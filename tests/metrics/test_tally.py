import numpy as np

from decamo.metrics.tally import centre_of


def test_the_centroid_is_rounded_half_to_even_and_lies_top_left() -> None:
    assert centre_of(rows=0 + 1, columns=2 + 3, n=2, shape=(9, 9)) == (1, 3)
    assert centre_of(rows=1 + 2, columns=3, n=2, shape=(9, 9)) == (3, 3)


def test_an_empty_object_has_its_centre_in_the_middle() -> None:
    assert centre_of(0, 0, 0, (6, 9)) == (3, round(np.float64(4.5)))
