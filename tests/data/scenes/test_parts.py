import numpy as np
import pytest

from decamo.data.scenes.ground import Distance, chain, limb, lobe, union


def at(part: Distance, u: float, v: float) -> float:
    return float(part(np.array([u]), np.array([v]))[0])


def test_a_limb_of_even_radius_is_the_exact_distance_to_a_capsule() -> None:
    part = limb(0, 0, 2, 0, 0.5, 0.5)
    assert at(part, 1, 2) == pytest.approx(1.5)
    assert at(part, 5, 4) == pytest.approx(4.5)  # 3-4-5 triangle from the end
    assert at(part, 1, 0) == pytest.approx(-0.5)


def test_a_limb_tapers() -> None:
    part = limb(0, 0, 1, 0, 0.4, 0.1)
    assert at(part, 0.5, 0.25) == pytest.approx(0)


def test_a_round_lobe_is_the_exact_distance_to_a_circle() -> None:
    part = lobe(1, -1, 0.5, 0.5, 0.7)
    assert at(part, 4, 3) == pytest.approx(4.5)


def test_a_lobe_vanishes_on_its_ellipse_turned_by_its_angle() -> None:
    part, t = lobe(0.2, 0.1, 0.8, 0.3, 0.6), np.linspace(0, 6, 50)
    a, b = 0.8 * np.cos(t), 0.3 * np.sin(t)
    u = 0.2 + a * np.cos(0.6) - b * np.sin(0.6)
    v = 0.1 + a * np.sin(0.6) + b * np.cos(0.6)
    np.testing.assert_allclose(part(u, v), 0, atol=1e-12)


def test_a_union_is_the_minimum_away_from_joints_and_below_it_at_them() -> None:
    left, right = lobe(-1, 0, 0.5, 0.5), lobe(1, 0, 0.5, 0.5)
    both = union(left, right)
    assert at(both, -1.4, 0) == pytest.approx(at(left, -1.4, 0))
    assert at(both, 0, 0) < at(left, 0, 0)


def test_a_chain_joins_its_points() -> None:
    parts = chain(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0.2, 0.1, 0.05]))
    assert len(parts) == 2
    assert at(parts[0], 1, 0) == pytest.approx(-0.1)
    assert at(parts[1], 1, 1) == pytest.approx(-0.05)
