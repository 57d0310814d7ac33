import numpy as np
import pytest

from benchmarks.metrics_speed import compare_speed
from benchmarks.metrics_way import GROUNDS, picture


@pytest.mark.parametrize("ground", GROUNDS)
def test_both_suites_are_timed(ground: str) -> None:
    times = compare_speed((96, 128), 3, ground)
    assert min(times["decamo_ms"], times["pysodmetrics_ms"]) > 0
    assert times["ratio_low"] <= times["ratio"] <= times["ratio_high"]


def test_the_ground_is_black_or_faint() -> None:
    for share in (0.01, 0.2):
        for faint, (low, high) in ((False, (0.02, 0.3)), (True, (0.9, 1))):
            grey, mask = picture(np.random.default_rng(2), (384, 384), share, faint=faint)
            assert (mask > 0).mean() == pytest.approx(share, rel=0.1)
            assert low <= (grey[mask == 0] > 0).mean() <= high
    assert 2 <= np.median(grey[mask == 0]) <= 8
