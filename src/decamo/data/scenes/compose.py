"""One camouflaged scene: a ground, and an animal that wears the ground's colours."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decamo.data.scenes.ground import Ground, draw_ground, paint
from decamo.data.scenes.outlines import KINDS, OutlineKind, draw_outline
from decamo.data.scenes.textures import Field, kin_of, relief, slow_noise
from decamo.settings.option import within

__all__ = ["Scene", "make_scene", "scene_name"]

_RING = 0.08  # width of the surroundings whose tones the animal copies, share of the side
_FINER = (0.4, 0.55)  # the animal's grain against the ground's
_EDGE_WIDTH = 0.010  # half-width of the contour cue, share of the side
_EDGE_DEPTH = (0.06, 0.16)  # tone that the contour loses at its strongest parts
_SHADE_DEPTH = (0.03, 0.08)  # tone by which rounding darkens the flank away from the light
_GRAIN = 1.5  # sensor noise, grey levels


@dataclass(frozen=True)
class Scene:
    """A picture and its ground truth.

    Attributes:
        image: uint8 ``[H, W, 3]``, RGB.
        mask: bool ``[H, W]``, true on the animal; all false without one.
        name: file stem in COD10K's manner, such as ``COD10K-CAM-1-Aquatic-3-Blob-12``.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    name: str


def make_scene(seed: int, index: int, size: int, *, camouflaged: bool = True) -> Scene:
    """Draw the scene ``index`` of the world ``seed``, alone and always alike.

    The generator is Philox (Salmon et al. 2011), keyed by (seed, index): no scene depends on
    another, nor on an order. Arithmetic is float64 and rounded to bytes at the end, so that
    machines differ, if at all, in single grey levels where numpy's FFT or ``tanh`` does. With
    ``camouflaged=False`` the same ground is drawn, and the animal left out.

    Args:
        seed: 0 to 2^63 - 1.
        index: 0 to 2^63 - 1.
        size: side in px, 32 to 4096.
        camouflaged: whether an animal sits in the scene.

    Raises:
        SettingsError: a number is out of its range.
    """
    within("seed", seed, 0, 2**63 - 1)
    within("index", index, 0, 2**63 - 1)
    within("size", size, 32, 4096)
    rng = _generator(seed, index)
    kind = _draw_kind(rng)
    ground = draw_ground(rng, size)
    noise = rng.normal(0, _GRAIN, (size, size, 1))
    tone, mask = ground.tone, np.zeros((size, size), dtype=np.bool_)
    if camouflaged:
        outline = draw_outline(kind, rng, size, area=_draw_area(rng))
        tone, mask = _hide(ground, outline, rng), outline < 0
    colour = paint(np.clip(tone, 0, 1), ground.hue, ground.palette) * ground.light[..., None]
    image = np.clip(np.rint(colour + noise), 0, 255).astype(np.uint8)
    return Scene(image, mask, _name(kind, index, camouflaged))


def scene_name(seed: int, index: int, *, camouflaged: bool = True) -> str:
    """The name that :func:`make_scene` gives, without drawing the scene."""
    return _name(_draw_kind(_generator(seed, index)), index, camouflaged)


def _generator(seed: int, index: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array([seed, index], dtype=np.uint64)))


def _draw_kind(rng: np.random.Generator) -> OutlineKind:
    return KINDS[int(rng.integers(len(KINDS)))]


def _draw_area(rng: np.random.Generator) -> float:
    """Share of the picture covered by the whole animal: 6.5 to 32 %, about 16 % on average."""
    return 0.065 + 0.255 * float(rng.beta(1.1, 1.9))


def _name(kind: OutlineKind, index: int, camouflaged: bool) -> str:
    """COD10K's rule: super number, super-class, sub number, sub-class, image number from 1."""
    if camouflaged:
        return f"COD10K-CAM-{kind.superclass}-{kind.number}-{kind.label}-{index + 1}"
    return f"COD10K-NonCAM-5-Other-{len(KINDS) + 1}-Background-{index + 1}"


def _hide(ground: Ground, outline: Field, rng: np.random.Generator) -> Field:
    """Tones ``[H, W]`` of the ground with the animal on it.

    Its skin is a turned, finer relative of the ground's texture whose tones are those of the ring
    around it, rank for rank; a broken dark contour and a shaded flank give it body.
    """
    size = len(outline)
    skin = relief(kin_of(ground.texture, rng, _FINER), rng, size)
    skin -= _rim(outline) * _flank(rng, outline) * float(rng.uniform(*_SHADE_DEPTH)) / ground.gain
    inside = outline < 0
    tone = ground.tone.copy()
    ring = (outline >= 0) & (outline < _RING)
    tone[inside] = _with_ranks_of(skin[inside], ground.tone[ring])
    broken = np.clip(0.4 + 0.8 * slow_noise(rng, size, 0.2), 0, 1)
    contour = np.exp(-((outline / _EDGE_WIDTH) ** 2)) * broken
    return tone - float(rng.uniform(*_EDGE_DEPTH)) * contour


def _with_ranks_of(values: Field, model: Field) -> Field:
    """Histogram specification: ``values`` in their order, distributed as ``model``."""
    if not len(values) or not len(model):
        return values
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = (np.arange(len(values)) + 0.5) / len(values)
    steps = (np.arange(len(model)) + 0.5) / len(model)
    matched: Field = np.interp(ranks, steps, np.sort(model)).astype(np.float64)
    return matched


def _rim(outline: Field) -> Field:
    """1 on the outline, falling to 0 towards the inside over about 5 % of the side."""
    return np.exp(-np.maximum(-outline, 0) / 0.05)


def _flank(rng: np.random.Generator, outline: Field) -> Field:
    """How far the surface leans away from a light in a random direction, about -1 to 1."""
    down, right = np.gradient(outline)
    angle = float(rng.uniform(0, 2 * np.pi))
    lean: Field = (np.cos(angle) * right + np.sin(angle) * down) * len(outline)
    return np.clip(lean, -1, 1)
