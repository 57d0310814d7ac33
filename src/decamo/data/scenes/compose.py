"""One camouflaged scene, an animal that wears the colours of its ground; and folders of them.

Folders have the layout of COD10K-v3.
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from decamo.data.scenes.ground import Ground, draw_ground, paint
from decamo.data.scenes.outlines import KINDS, OutlineKind, draw_outline
from decamo.data.scenes.textures import Field, kin_of, relief, slow_noise
from decamo.errors import DataError, StorageError
from decamo.settings.option import at_least, within
from decamo.system import replace

__all__ = [
    "Scene",
    "make_scene",
    "scene_name",
    "write_scenes",
]

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


_MANIFEST = "scenes.json"
_QUALITY = 95  # JPEG; below, blocks of 8 px start to eat the grain that betrays an animal
_VERSION = 1  # raise it when the pictures change: folders of two generators must not mix


@dataclass(frozen=True)
class _Order:
    """What was asked for; equal orders give equal folders."""

    train: int
    test: int
    size: int
    noncam_share: float
    seed: int
    version: int = _VERSION


@dataclass(frozen=True)
class _Item:
    """One scene of an order and its place."""

    split: str
    index: int
    camouflaged: bool


def write_scenes(
    root: Path,
    *,
    train: int,
    test: int,
    size: int,
    noncam_share: float,
    seed: int,
    on_progress: Callable[[int, int], None],
) -> None:
    """Write ``Train`` and ``Test`` with ``Image/*.jpg`` and ``GT_Object/*.png`` (mode L, 0/255).

    Scenes already there are left alone, so that a second call does nothing and a call after an
    interruption finishes the folder. Test scenes continue the numbering of the training scenes:
    none is in both.

    Args:
        root: folder to fill; made if missing.
        train: number of training scenes, NonCAM included.
        test: number of test scenes, NonCAM included.
        size: side in px.
        noncam_share: share of scenes without an animal in each split, in [0, 1]; rounded down to
            whole scenes, spread evenly.
        seed: world to draw from.
        on_progress: called with (done, total) after every scene.

    Raises:
        DataError: ``root`` is not a folder, or holds files of another origin.
        StorageError: the disk is full, read-only or gone.
        SettingsError: a number is out of its range.
    """
    at_least("train", train, 0)
    at_least("test", test, 0)
    within("size", size, 32, 4096)
    within("noncam_share", noncam_share, 0, 1)
    within("seed", seed, 0, 2**63 - 1)
    order = _Order(train, test, size, float(noncam_share), seed)
    try:
        _claim(root, order)
        items = list(_items(order))
        for done, item in enumerate(items, start=1):
            _write_item(root, order, item)
            on_progress(done, len(items))
    except OSError as error:
        remedy = "free space there, or name a folder that can be written"
        raise StorageError(error.filename or root, error.strerror or str(error), remedy) from error


def _claim(root: Path, order: _Order) -> None:
    """Make the folder ours, or refuse it."""
    manifest = root / _MANIFEST
    remedy = "give an empty or a new folder, or the same numbers as before"
    if root.exists() and not root.is_dir():
        raise DataError(root, "is a file", "give a folder")
    if manifest.is_file():
        if _read(manifest) != asdict(order):
            raise DataError(root, "holds scenes made from other numbers", remedy)
    elif root.is_dir() and any(root.iterdir()):
        raise DataError(root, "holds files that are not scenes of this generator", remedy)
    else:
        # First of all files, so that an interrupted folder is known as ours.
        root.mkdir(parents=True, exist_ok=True)
        manifest.write_text(json.dumps(asdict(order), indent=2) + "\n", encoding="utf-8")
    for split in ("Train", "Test"):
        for folder in ("Image", "GT_Object"):
            (root / split / folder).mkdir(parents=True, exist_ok=True)


def _read(manifest: Path) -> object:
    """The manifest's content; None where it is not JSON."""
    try:
        return json.loads(manifest.read_text(encoding="utf-8"))
    except ValueError:
        return None


def _items(order: _Order) -> Iterator[_Item]:
    first = 0
    for split, count in (("Train", order.train), ("Test", order.test)):
        for i in range(count):
            # Without an animal wherever the running total reaches a whole number: evenly spread.
            empty = _empty_of(i + 1, order.noncam_share) > _empty_of(i, order.noncam_share)
            yield _Item(split, first + i, not empty)
        first += count


def _empty_of(count: int, share: float) -> int:
    """How many of ``count`` scenes have no animal: rounded down, but 0.29 of 100 is 29."""
    return math.floor(count * share + 1e-9)


def _write_item(root: Path, order: _Order, item: _Item) -> None:
    name = scene_name(order.seed, item.index, camouflaged=item.camouflaged)
    image = root / item.split / "Image" / f"{name}.jpg"
    mask = root / item.split / "GT_Object" / f"{name}.png"
    if image.exists() and mask.exists():
        return
    scene = make_scene(order.seed, item.index, order.size, camouflaged=item.camouflaged)
    _save(Image.fromarray(scene.image), image, quality=_QUALITY)
    _save(Image.fromarray(scene.mask.astype("uint8") * 255), mask)


def _save(picture: Image.Image, path: Path, **options: int) -> None:
    """Save under a temporary name first: a file that exists is whole."""
    part = path.with_name(f".{path.name}.part")
    picture.save(part, format="JPEG" if path.suffix == ".jpg" else "PNG", **options)
    replace(part, path)
