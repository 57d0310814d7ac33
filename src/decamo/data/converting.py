"""A data set in any format that is read -> one in a format of one's choice."""

import io
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from decamo.data.annotation_files import CATEGORY, AnnotationFiles, Drawing, loss_line
from decamo.data.audit.inventory import Holding, take_inventory
from decamo.data.census import Entry, take_census
from decamo.data.deciding import apply_rules
from decamo.data.inside import Notation
from decamo.data.inside.mask_bytes import stored_as
from decamo.data.reading import Labels, read_labelled
from decamo.data.wanted import ANYTHING, Wanted
from decamo.errors import DataError
from decamo.storage import make_folder, write_whole

__all__ = ["Conversion", "Target", "convert_data"]

_HALVES = ("train", "test", "val")
# Red and the beige of "void", as PASCAL VOC's palette has them
_PALETTE = [0, 0, 0, 128, 0, 0, *[0] * (253 * 3), 224, 224, 192]


class Target(StrEnum):
    """What a data set is converted to."""

    FOLDERS = "folders"
    COCO = "coco"
    YOLO = "yolo"
    LABELME = "labelme"


@dataclass(frozen=True)
class Conversion:
    """What was written.

    Attributes:
        images: how many.
        left_out: files that cannot be read, and why.
        notes: what the values of the masks were decided to mean, and what was lost.
    """

    images: int
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    def to_plain(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def convert_data(
    source: Path,
    out: Path,
    to: Target,
    *,
    instances: bool = False,
    tolerance: float = 0.0,
    workers: int = 1,
    wanted: Wanted = ANYTHING,
    mask_values: Sequence[str] = (),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Conversion:
    """Write a data set in another format; the bytes of its images stay.

    Args:
        source: a folder, a zip or a file of annotations.
        out: where to; a folder that is empty or not there. Of several sets each has one within.
        to: the format.
        instances: of annotations, whether each 8-connected region of a mask is an instance.
        tolerance: px by which corners of polygons may be thinned out; with 0 they give each mask
            back to the pixel.
        workers: threads that look at the files.
        wanted: what the user says of the set.
        mask_values: as ``--mask-values`` of training.
        on_progress: called with (done, total).

    Raises:
        DataError: there is no data set, or two images would have one name.
        StorageError: a file cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(out, "is there and not empty", "name a new folder")
    holdings = [held for held in take_inventory([source], wanted).holdings if held.pairs]
    if not holdings:
        raise DataError(source, "no image has a mask", "see `decamo data audit`")
    total = sum(len(held.pairs) for held in holdings)
    several = len({held.name for held in holdings}) > 1
    writer = _Writer(out, to, several, instances, tolerance)
    groups: dict[tuple[str, str], list[Holding]] = defaultdict(list)
    for held in holdings:
        groups[held.name, held.split].append(held)
    left_out: list[tuple[str, str]] = []
    done = 0
    for (name, split), group in groups.items():
        pairs = [pair for held in group for pair in held.pairs]
        ruled = apply_rules(take_census(pairs, workers=workers), given=mask_values)
        left_out += [(str(bad.path), bad.reason) for bad in ruled.census.bad]
        writer.notes += [line for line in ruled.lines if line not in writer.notes]
        writer.begin(name, split, void=any(r.mask.has_void for r in ruled.rules.values()))
        for entry in ruled.census.entries:
            writer.write(entry)
            done += 1
            on_progress(done, total)
        writer.end()
    return Conversion(done, tuple(left_out), (*writer.notes, *writer.losses()))


class _Writer:
    """Writes the images and masks of one half of one set after the other."""

    def __init__(
        self, out: Path, to: Target, several: bool, instances: bool, tolerance: float
    ) -> None:
        self.out, self.to, self.several = out, to, several
        self.notes: list[str] = []
        self.taken: set[Path] = set()
        self.lost_void = 0
        self.half, self.home, self.void = "", out, False
        self.annotations = (
            None
            if to is Target.FOLDERS
            else AnnotationFiles(Notation(to.value), instances, tolerance)
        )
        self.halves: list[str] = []

    def begin(self, name: str, split: str, *, void: bool) -> None:
        """Of a half, or of a set that has none."""
        self.half = split if split in _HALVES else ""
        self.home = self.out / name if self.several else self.out
        self.void = void
        self.halves.append(self.half)

    def write(self, entry: Entry) -> None:
        """An image and its mask."""
        pair = entry.pair
        _, labels = read_labelled(pair)
        data = pair.image.read_bytes()
        name = pair.stem + pair.image.suffix.lower()
        image, drawn = self._places(name)
        if drawn.with_suffix("") in self.taken:
            raise DataError(pair.image, f"two images are called {name}", "rename one of them")
        self.taken.add(drawn.with_suffix(""))
        _put(image, data)
        if self.annotations is None:
            _put(drawn, self._mask_file(pair.image, labels))
            return
        self.lost_void += labels.void is not None and bool(labels.void.any())
        mask = labels.object
        if self.to is Target.COCO:  # in the frame of the file, as those who read COCO have it
            _, turned = stored_as(pair.image)
            mask = turned.back(mask)
        make_folder(drawn.parent)
        self.annotations.add(Drawing(name, mask), drawn, image.name)

    def end(self) -> None:
        """What can only be written when all images of a half are known."""
        if self.annotations is None:
            return
        if self.to is Target.COCO:
            name = f"instances_{self.half}.json" if self.half else "instances.json"
            make_folder(self.home / "annotations")
            self.annotations.finish(self.home / "annotations" / name)
            self.annotations = AnnotationFiles(
                Notation.COCO, self.annotations.instances, self.annotations.tolerance
            )
        if self.to is Target.YOLO:
            _put(self.home / "data.yaml", self._yaml().encode())

    def losses(self) -> list[str]:
        """What the format could not keep."""
        if self.annotations is None:
            return []
        lines = [loss_line(self.annotations)]
        if self.lost_void:
            lines.append(f"void of {self.lost_void} masks became ground: {self.to} has none")
        return lines

    def _places(self, name: str) -> tuple[Path, Path]:
        """Where an image and its mask or annotation go."""
        stem = str(PurePosixPath(name).with_suffix(""))
        if self.to is Target.FOLDERS:
            home = self.home / self.half.capitalize() if self.half else self.home
            return home / "Image" / name, home / "GT_Object" / f"{stem}.png"
        if self.to is Target.YOLO:
            images, labels = self.home / "images" / self.half, self.home / "labels" / self.half
            return images / name, labels / f"{stem}.txt"
        folder = self.half or ("images" if self.to is Target.COCO else "")
        return self.home / folder / name, self.home / folder / f"{stem}.json"

    def _mask_file(self, image: Path, labels: Labels) -> bytes:
        """0 and 255, or VOC's palette where the set has void, in the frame of the image's file."""
        _, turned = stored_as(image)
        levels: NDArray[np.uint8] = turned.back(labels.object).astype(np.uint8)
        if self.void:
            if labels.void is not None:
                levels[turned.back(labels.void)] = 255
            picture = Image.fromarray(levels).convert("P")
            picture.putpalette(_PALETTE)
        else:
            picture = Image.fromarray(levels * 255)
        out = io.BytesIO()
        picture.save(out, "PNG")
        return out.getvalue()

    def _yaml(self) -> str:
        """What Ultralytics' trainers ask for."""
        halves = {half: f"images/{half}".rstrip("/") for half in self.halves}
        first = next(iter(halves.values()))
        train = halves.get("train", first)
        val = halves.get("val", halves.get("test", first))
        return f"path: .\ntrain: {train}\nval: {val}\nnames:\n  0: {CATEGORY}\n"


def _put(path: Path, data: bytes) -> None:
    make_folder(path.parent)
    write_whole(path, data)
