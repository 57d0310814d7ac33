"""A folder of scenes on disk, in the layout of COD10K-v3."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from decamo.data.scenes.compose import make_scene, scene_name
from decamo.errors import DataError, StorageError
from decamo.settings.option import at_least, within
from decamo.system import replace

__all__ = ["write_scenes"]

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
