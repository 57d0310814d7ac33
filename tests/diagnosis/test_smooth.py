import numpy as np
import pytest

from benchmarks.synthetic_runs import make_run
from decamo.diagnosis import RunView
from decamo.diagnosis.noise import Array, recent_gains, without_outliers


def noise(seed: int, length: int, rho: float) -> Array:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(length)
    for i in range(1, length):
        values[i] = rho * values[i - 1] + np.sqrt(1 - rho**2) * values[i]
    return values


def test_a_line_without_noise_is_read_off() -> None:
    epochs = np.arange(1.0, 41)
    gains = recent_gains(epochs, 0.4 + 0.003 * epochs, [8, 17, 100], 0.004, 4.0)
    for window, length in ((8, 8), (17, 17), (100, 39)):
        assert gains[window].slope == pytest.approx(0.003, abs=1e-9)
        assert gains[window].level == pytest.approx(0.52)
        assert gains[window].epochs == (40 - length, 40)


def test_the_posterior_is_that_of_the_textbook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against Rasmussen & Williams 2006, eq. 2.25 and 2.26, with a wide prior on the line."""
    wandering, rho = 1e-3, 0.4
    monkeypatch.setattr("decamo.diagnosis.noise.WANDERING", (wandering,))
    monkeypatch.setattr("decamo.diagnosis.noise.CORRELATION", (rho,))
    epochs = np.array([1.0, 2, 3, 5, 6, 8, 9, 10, 11, 14, 15, 16])
    x = epochs - 1
    values = 0.01 * noise(3, 12, rho) + 0.002 * epochs
    got = recent_gains(epochs, values, [6], 0.004, 4.0)[6]

    def curve(a: Array, b: Array) -> Array:
        paths = np.array(
            [[np.mean(np.maximum(s - u, 0) * np.maximum(t - u, 0)) * 15 for t in b] for s in a]
        )
        return wandering * paths + 1e4 * (1 + np.multiply.outer(a, b))

    u = (np.arange(30_000) + 0.5) / 2000
    there = np.array([15.0, 9.0])
    inverse = np.linalg.inv(curve(x, x) + rho ** np.abs(np.subtract.outer(x, x)))
    link = curve(there, x)
    mean = link @ inverse @ values
    spread = curve(there, there) - link @ inverse @ link.T
    ahead = np.array([1.0, -1.0])
    assert got.slope * 6 == pytest.approx(ahead @ mean, abs=1e-5)
    assert got.level == pytest.approx(mean[0], abs=1e-5)
    assert got.error * 6 == pytest.approx(got.noise * np.sqrt(ahead @ spread @ ahead), rel=1e-3)


@pytest.mark.long
def test_intervals_hold_what_they_promise() -> None:
    inside, count = 0, 0
    for sort in ("healthy", "noisy_healthy", "slow", "plateau"):
        for seed in range(60):
            run = make_run(sort, np.random.default_rng([1, seed]))
            trend = recent_gains(*RunView(run.past).series("iou"), [17], 0.004, 4.0)[17]
            inside += 17 * trend.bound(0.1) < run.gain < 17 * trend.bound(0.9)
            count += 1
    assert 0.74 < inside / count < 0.88


def test_a_rise_that_stops_at_once_is_followed() -> None:
    values = np.concatenate([np.linspace(0.3, 0.5, 20), np.full(15, 0.5)])
    values += 0.002 * noise(0, 35, 0.0)
    gains = recent_gains(np.arange(1.0, 36), values, [8, 17], 0.004, 4.0)
    assert abs(8 * gains[8].slope) < 0.005
    assert 17 * gains[17].slope == pytest.approx(0.02, abs=0.01)


def test_short_dips_are_set_aside_also_at_the_end() -> None:
    epochs = np.arange(1.0, 31)
    values = 0.5 + 0.002 * epochs
    values[[10, 11, 27, 28, 29]] -= 0.1
    kept, _ = without_outliers(epochs, values)
    assert sorted(set(epochs) - set(kept)) == [11, 12, 28, 29, 30]


def test_six_values_have_no_outliers() -> None:
    values = np.array([0.0, 0, 0, 9, 0, 0])
    assert np.array_equal(without_outliers(np.arange(6.0), values)[1], values)
