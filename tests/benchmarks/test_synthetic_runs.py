import numpy as np
import pytest

from benchmarks.synthetic_runs import FLAT, HEALTHY, SLOW, SORTS, make_run

SEEDS = range(60)


@pytest.mark.parametrize("sort", SORTS)
def test_runs_are_replayed_from_their_generator(sort: str) -> None:
    first, again = (make_run(sort, np.random.default_rng([4, 2])) for _ in range(2))
    assert first.past == again.past
    assert make_run(sort, np.random.default_rng([4, 3])).past != first.past


@pytest.mark.parametrize("sort", SORTS)
def test_runs_look_like_runs(sort: str) -> None:
    for seed in SEEDS:
        run = make_run(sort, np.random.default_rng(seed))
        points = run.past.points
        assert 25 <= len(points) <= 150
        assert len(run.latent) == len(points)
        assert all(0 < (p.iou or 0) < 1 and (p.loss or 0) > 0 for p in points)
        assert all(p.lr is not None and 0 < p.lr < 1e-3 for p in points)
        assert 0.002 <= run.noise <= 0.01


@pytest.mark.parametrize(
    ("sort", "gains"),
    [("healthy", HEALTHY), ("noisy_healthy", HEALTHY), ("slow", SLOW), ("plateau", FLAT)],
)
def test_the_truth_is_in_the_latent_gain(sort: str, gains: tuple[float, float]) -> None:
    for seed in SEEDS:
        run = make_run(sort, np.random.default_rng(seed))
        assert gains[0] - 0.001 <= run.gain <= gains[1] + 0.001


def test_noisy_ones_are_noisy() -> None:
    runs = [make_run("noisy_healthy", np.random.default_rng(seed)) for seed in SEEDS]
    assert min(r.noise for r in runs) > 0.0044


def test_overfitting_loses_after_its_peak_while_the_loss_falls() -> None:
    for seed in SEEDS:
        run = make_run("overfit", np.random.default_rng(seed))
        peak = int(run.latent.argmax())
        assert 12 <= len(run.latent) - 1 - peak <= 50
        assert 0.014 <= run.latent[peak] - run.latent[-1] <= 0.081


def test_spikes_come_back_and_explosions_do_not() -> None:
    for seed in SEEDS:
        spike = make_run("spike", np.random.default_rng(seed)).latent
        explode = make_run("explode", np.random.default_rng(seed)).latent
        assert spike[-1] > spike[-12:-9].min() - 0.1
        assert explode[-1] < explode.max() - 0.1 or explode.max() < 0.15


def test_any_gain_can_be_asked_for() -> None:
    for seed in SEEDS:
        run = make_run("any", np.random.default_rng(seed), gain=0.02)
        assert run.gain == pytest.approx(0.02, abs=0.002)
