"""Natural-looking surfaces: scalar fields with the statistics of bark, grass, pebbles and leaves.

A texture is a *relief*: one number a pixel, mean 0, standard deviation 1, coloured later by a
palette. Lengths are shares of the image side, so that a texture looks alike at every size.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAMILIES", "Field", "Texture", "draw_texture", "kin_of", "relief", "slow_noise"]

Field = NDArray[np.float64]

FAMILIES = ("cloud", "grain", "pebbles", "leaves", "crackle")


@dataclass(frozen=True)
class Texture:
    """What fixes the look of a surface; the noise that fills it is drawn separately.

    Attributes:
        family: one of :data:`FAMILIES`.
        wavelength: typical size of its elements, a share of the image side, in (0, 1).
        angle: direction along which its elements are elongated, radians.
        stretch: elongation of its elements, 1 for round.
        roughness: share of broadband 1/f noise mixed in, in [0, 1].
    """

    family: str
    wavelength: float
    angle: float
    stretch: float
    roughness: float


def draw_texture(rng: np.random.Generator) -> Texture:
    """A background texture, all parameters drawn from ``rng``."""
    return Texture(
        family=FAMILIES[int(rng.integers(len(FAMILIES)))],
        wavelength=float(rng.uniform(0.08, 0.15)),
        angle=float(rng.uniform(0, np.pi)),
        stretch=float(rng.uniform(1.5, 3.0)),
        roughness=float(rng.uniform(0.25, 0.5)),
    )


def kin_of(texture: Texture, rng: np.random.Generator, finer: tuple[float, float]) -> Texture:
    """A relative of the same family: turned by 45 to 90 degrees and of another grain.

    Args:
        texture: the surface to be mimicked.
        rng: generator to draw from.
        finer: lowest and highest factor on the wavelength.
    """
    turn = float(rng.uniform(np.pi / 4, np.pi / 2)) * (1 if rng.random() < 0.5 else -1)
    return replace(
        texture,
        wavelength=texture.wavelength * float(rng.uniform(*finer)),
        angle=texture.angle + turn,
        roughness=texture.roughness * float(rng.uniform(0.5, 1.0)),
    )


def relief(texture: Texture, rng: np.random.Generator, size: int) -> Field:
    """One realisation of a texture.

    Returns:
        float64 ``[size, size]``, mean 0, standard deviation 1.
    """
    if texture.family == "cloud":
        body = _band(rng, size, texture, width=0.9, fan=1.2)
    elif texture.family == "grain":
        body = _band(rng, size, texture, width=0.45, fan=0.3)
    else:
        body = _cells(rng, size, texture)
    mixed = (1 - texture.roughness) * body + texture.roughness * _pink(rng, size)
    return _standard(mixed)


def slow_noise(rng: np.random.Generator, size: int, wavelength: float) -> Field:
    """Smooth noise without detail below ``wavelength`` (share of the side); mean 0, deviation 1.

    Returns:
        float64 ``[size, size]``.
    """
    radius = np.hypot(*_frequencies(size)) * wavelength
    return _filtered(rng, size, np.exp(-(radius**2)))


def _pink(rng: np.random.Generator, size: int) -> Field:
    """1/f noise, the amplitude spectrum of natural scenes (Field 1987, J. Opt. Soc. Am. A)."""
    radius = np.hypot(*_frequencies(size))
    # Below 3 cycles an image the noise would be a brightness gradient: that is the light's part.
    return _filtered(rng, size, 1 / np.maximum(radius, 3.0))


def _band(
    rng: np.random.Generator, size: int, texture: Texture, *, width: float, fan: float
) -> Field:
    """Noise within a band of wavelengths and directions: log-Gabor (Field 1987) times a fan.

    Args:
        rng: generator to draw from.
        size: side in px.
        texture: its wavelength and angle.
        width: deviation of the logarithm of the frequency.
        fan: deviation of the direction, radians.
    """
    fy, fx = _frequencies(size)
    radius = np.hypot(fx, fy)
    logs = np.log(np.maximum(radius, 1e-6) * texture.wavelength)
    # The wave vector stands across the fibres; directions are equal modulo pi.
    off = np.arctan2(fy, fx) - (texture.angle + np.pi / 2)
    off = (off + np.pi / 2) % np.pi - np.pi / 2
    return _filtered(rng, size, np.exp(-0.5 * (logs / width) ** 2 - 0.5 * (off / fan) ** 2))


def _cells(rng: np.random.Generator, size: int, texture: Texture) -> Field:
    """Cellular texture (Worley 1996): pebbles, leaves or crackle, on a bent and stretched grid."""
    along, across = _bent_grid(rng, size, texture)
    nearest, second, tone, lean = _two_nearest(rng, along, across)
    gap = second - nearest
    if texture.family == "pebbles":
        return _standard(1.2 * np.minimum(gap, 0.45) / 0.45 + 0.8 * tone + 0.9 * lean)
    if texture.family == "leaves":
        return _standard(np.minimum(gap, 0.2) / 0.2 + 1.6 * tone + 1.2 * np.abs(lean))
    return _standard(np.minimum(gap, 0.3) / 0.3 + 0.35 * tone)


def _bent_grid(rng: np.random.Generator, size: int, texture: Texture) -> tuple[Field, Field]:
    """Pixel coordinates in cells: turned, stretched, and bent so that no lattice shows."""
    y, x = np.mgrid[0:size, 0:size] / size
    # Pebbles are hard: bent as much as leaves, they look like bark.
    bend = (0.1 if texture.family == "pebbles" else 0.3) * texture.wavelength
    x = x + bend * slow_noise(rng, size, 2.5 * texture.wavelength)
    y = y + bend * slow_noise(rng, size, 2.5 * texture.wavelength)
    cos, sin = np.cos(texture.angle), np.sin(texture.angle)
    stretch = np.sqrt(texture.stretch)
    along = (x * cos + y * sin) / (texture.wavelength * stretch)
    across = (y * cos - x * sin) / (texture.wavelength / stretch)
    return along, across


def _two_nearest(rng: np.random.Generator, u: Field, v: Field) -> tuple[Field, Field, Field, Field]:
    """Distances to the two nearest seeds, the nearest's tone, and the offset across it."""
    column, row = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    left, top = int(column.min()) - 1, int(row.min()) - 1
    shape = (int(row.max()) - top + 2, int(column.max()) - left + 2)
    seed_u, seed_v = rng.uniform(0.1, 0.9, shape), rng.uniform(0.1, 0.9, shape)
    tones = rng.normal(0, 0.5, shape)
    nearest, second = np.full(u.shape, np.inf), np.full(u.shape, np.inf)
    tone, lean = np.zeros(u.shape), np.zeros(u.shape)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            at = (row - top + dy, column - left + dx)
            du = seed_u[at] + (column + dx) - u
            dv = seed_v[at] + (row + dy) - v
            far = np.sqrt(du * du + dv * dv)
            closer = far < nearest
            second = np.minimum(np.maximum(far, nearest), second)
            nearest = np.where(closer, far, nearest)
            tone = np.where(closer, tones[at], tone)
            lean = np.where(closer, dv, lean)
    return nearest, second, tone, lean


def _frequencies(size: int) -> tuple[Field, Field]:
    """Vertical ``[size, 1]`` and horizontal ``[1, size//2+1]`` frequency, cycles an image."""
    vertical = np.fft.fftfreq(size, 1 / size).astype(np.float64)
    horizontal = np.fft.rfftfreq(size, 1 / size).astype(np.float64)
    return vertical[:, None], horizontal[None, :]


def _filtered(rng: np.random.Generator, size: int, amplitude: Field) -> Field:
    """White noise with its spectrum multiplied by ``amplitude`` ``[size, size//2+1]``."""
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) * amplitude
    spectrum[0, 0] = 0
    return _standard(np.fft.irfft2(spectrum, s=(size, size)))


def _standard(values: Field) -> Field:
    """Shift and scale to mean 0 and standard deviation 1."""
    centred = values - values.mean()
    return centred / max(float(centred.std()), 1e-12)
