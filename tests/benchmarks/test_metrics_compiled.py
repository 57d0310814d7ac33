import importlib.util

import numpy as np
import pytest

from benchmarks import metrics_compiled
from benchmarks.metrics_compiled import compare_compiled, spared_by_loop, weights_by_square
from benchmarks.metrics_speed import Times
from benchmarks.metrics_way import Suite
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


def test_a_process_pays_for_its_start_and_for_each_image(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {
        Suite.DECAMO: Times(0.5, (2.0, 2.0)),
        Suite.PYSODMETRICS: Times(1.0, (20.0, 30.0)),
        Suite.WITH_LOOP: Times(1.5, (1.0, 1.0)),
        Suite.LOOP_ALONE: Times(1.5, (0.25, 0.25)),
    }
    monkeypatch.setattr(metrics_compiled, "times_of", lambda *_: times)
    found = compare_compiled((48, 48), 2, goal=10)
    assert list(found) == ["CHAMELEON", "CAMO", "COD10K", "NC4K"]
    small, large = found["CHAMELEON"], found["COD10K"]
    assert (small.images, large.images) == (38, 1013)
    assert large.pysodmetrics_s == pytest.approx(1 + 1013 * 0.025)
    assert large.decamo_s == pytest.approx(0.5 + 1013 * 0.002)
    assert large.with_loop_s == pytest.approx(1.5 + 1013 * 0.001)
    assert large.left_ms == pytest.approx(1000 * (large.pysodmetrics_s / 10 - 1.5) / 1013)
    assert small.left_ms < 0
    assert large.loop_ms == 0.25


@pytest.mark.skipif(importlib.util.find_spec("numba") is not None, reason="numba is installed")
def test_without_numba_the_remedy_is_told() -> None:
    with pytest.raises(SettingsError, match="numba is not installed"):
        compare_compiled((48, 48), 1, 12)
