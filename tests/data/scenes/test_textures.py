from dataclasses import replace

import numpy as np
import pytest

from decamo.data.scenes.textures import (
    FAMILIES,
    Field,
    Texture,
    draw_texture,
    kin_of,
    relief,
    slow_noise,
)

FAR = 1e-6


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def power(field: Field) -> tuple[Field, Field, Field]:
    """Power spectrum with its frequencies in cycles an image: an oracle with the full FFT."""
    n = len(field)
    fy, fx = np.meshgrid(np.fft.fftfreq(n, 1 / n), np.fft.fftfreq(n, 1 / n), indexing="ij")
    return np.abs(np.fft.fft2(field)) ** 2, fy, fx


def mean_frequency(field: Field) -> float:
    p, fy, fx = power(field)
    return float((p * np.hypot(fy, fx)).sum() / p.sum())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [33, 96])
def test_a_relief_is_standardised_finite_and_repeatable(family: str, size: int) -> None:
    texture = replace(draw_texture(rng()), family=family)
    field = relief(texture, rng(1), size)
    assert field.shape == (size, size)
    assert field.dtype == np.float64
    assert abs(field.mean()) < FAR
    assert field.std() == pytest.approx(1)
    np.testing.assert_array_equal(field, relief(texture, rng(1), size))
    assert np.abs(field - relief(texture, rng(2), size)).mean() > 0.3


@pytest.mark.parametrize("angle", [0.0, 0.6, np.pi / 2, 2.5])
def test_grain_runs_along_its_angle(angle: float) -> None:
    field = relief(Texture("grain", 0.1, angle, 1.0, 0.0), rng(), 128)
    p, fy, fx = power(field)
    # Structure tensor of the spectrum: its main axis stands across the fibres.
    across = 0.5 * np.arctan2((p * 2 * fx * fy).sum(), (p * (fx**2 - fy**2)).sum())
    off = (across - (angle + np.pi / 2) + np.pi / 2) % np.pi - np.pi / 2
    assert abs(off) < 0.1


def test_grain_has_its_wavelength() -> None:
    p, fy, fx = power(relief(Texture("grain", 0.1, 0.3, 1.0, 0.0), rng(), 128))
    logs = np.log(np.maximum(np.hypot(fy, fx), 0.5))
    assert np.exp((p * logs).sum() / p.sum()) == pytest.approx(10, rel=0.35)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_shorter_wavelength_is_a_finer_grain(family: str) -> None:
    coarse = Texture(family, 0.14, 0.0, 2.0, 0.2)
    fine = replace(coarse, wavelength=0.05)
    assert mean_frequency(relief(fine, rng(), 96)) > 1.3 * mean_frequency(relief(coarse, rng(), 96))


def test_roughness_alone_is_one_over_f_noise() -> None:
    size, slopes = 128, []
    for seed in range(4):
        p, fy, fx = power(relief(Texture("cloud", 0.1, 0.0, 1.0, 1.0), rng(seed), size))
        radius = np.hypot(fy, fx)
        used = (radius > 4) & (radius < 50)
        slopes.append(np.polyfit(np.log(radius[used]), np.log(p[used]), 1)[0])
    assert np.mean(slopes) == pytest.approx(-2, abs=0.15)  # power falls as the amplitude squared


def test_slow_noise_has_no_detail_below_its_wavelength() -> None:
    p, fy, fx = power(slow_noise(rng(), 128, 0.25))
    assert p[np.hypot(fy, fx) > 12].sum() < 1e-3 * p.sum()


def test_kin_share_the_family_and_turn_by_45_to_90_degrees() -> None:
    draw = rng()
    for _ in range(100):
        texture = draw_texture(draw)
        kin = kin_of(texture, draw, (0.4, 0.6))
        assert kin.family == texture.family
        assert 0.4 <= kin.wavelength / texture.wavelength <= 0.6
        assert np.pi / 4 <= abs(kin.angle - texture.angle) <= np.pi / 2
