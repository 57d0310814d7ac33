import importlib.util

import numpy as np
import pytest

from benchmarks.metrics_compiled import (
    Compiled,
    compare_compiled,
    spared_by_loop,
    weights_by_square,
)
from decamo.errors import SettingsError
from decamo.metrics.distances import REACH, box_of, distances
from decamo.metrics.nearness_measures import spared


@pytest.mark.parametrize("seed", range(4))
def test_a_scan_row_by_row_finds_what_hulls_find_at_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((30, 140)) < 0.004
    mask[rng.integers(30), rng.integers(140)] = True
    ground = rng.integers(0, 256, mask.shape, dtype=np.uint8) * ~mask
    box = box_of(mask)
    assert box is not None
    by_hulls = sum(spared(ground[at], offsets) for at, offsets in distances(mask, box, ground))
    by_scan = spared_by_loop(ground, mask, weights_by_square(), REACH)
    assert by_scan == pytest.approx(by_hulls, rel=1e-12)


def test_a_process_is_ahead_when_it_has_saved_what_it_paid() -> None:
    assert Compiled(1.0, 0.5, None, 0.6, 0.4).images == 2000
    assert Compiled(0.5, 0.5, None, 0.6, 0.4).images == float("inf")


@pytest.mark.skipif(importlib.util.find_spec("numba") is not None, reason="numba is installed")
def test_without_numba_the_remedy_is_told() -> None:
    with pytest.raises(SettingsError, match="numba is not installed"):
        compare_compiled([(48, 48)], 1)
