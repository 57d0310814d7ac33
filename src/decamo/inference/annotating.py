"""Predictions as annotations that a person corrects, what is least certain first."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from decamo.data.annotation_files import AnnotationFiles, Drawing, loss_line
from decamo.data.inside import Notation
from decamo.errors import SettingsError
from decamo.inference.inputs import Item
from decamo.inference.shard import WHOLE, InputShard
from decamo.inference.writer import read_probability
from decamo.metrics import THRESHOLD
from decamo.storage.outputs import write_output

__all__ = ["WORST_FIRST", "PredictedAnnotations"]

WORST_FIRST = "worst_first"
_TOLERANCE = 1.0  # px: a person drags corners, and there must be few


@dataclass
class PredictedAnnotations:
    """Annotations of predictions, in a folder.

    Attributes:
        out: the folder.
        notation: COCO, YOLO or LabelMe.
        instances: whether each connected region is an instance.
        shard: COCO's json and the list have names of their own in each.
        resume: go on from an earlier run's annotations, and leave those that are there alone.
    """

    out: Path
    notation: Notation
    instances: bool = False
    shard: InputShard = WHOLE
    resume: bool = False
    _files: AnnotationFiles = field(init=False, repr=False)
    _ranked: list[tuple[float, str]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        self._files = AnnotationFiles(self.notation, self.instances, _TOLERANCE)

    def paths(self, items: Sequence[Item]) -> list[Path]:
        """The files that will be written of images that are not done.

        Raises:
            SettingsError: one is there, and may hold what a person has corrected.
        """
        whole = self.notation is Notation.COCO
        paths = [self._whole][: len(items)] if whole else [self.path(item) for item in items]
        for path in paths:
            if path.exists() and (whole or not self.resume):
                raise SettingsError(
                    "--write", f"{path} is there, and may have been corrected by hand",
                    "give another --out, or remove it",
                )  # fmt: skip
        return [*paths, self.worst_first]

    def add(self, item: Item, mask: npt.NDArray[np.bool_], sure: float) -> None:
        """Annotate an image by its mask ``[H, W]`` and its expected IoU.

        Raises:
            StorageError: a file cannot be written.
        """
        path = self.path(item)
        if self.notation is Notation.COCO or not (self.resume and path.exists()):
            drawing = Drawing(self._name(item), mask, round(sure, 4))
            self._files.add(drawing, path, _seen_from(path.parent, item.image))
        self._ranked.append((sure, str(item.image)))

    def remember(self, item: Item, sure: float) -> None:
        """Count in an image that an earlier run has annotated; COCO's json has it by its map.

        Raises:
            UnreadableImage: its map cannot be read.
        """
        if self.notation is Notation.COCO and not self._whole.exists():
            self.add(item, read_probability(item.map) >= THRESHOLD, sure)
        else:
            self._ranked.append((sure, str(item.image)))

    def finish(self) -> list[str]:
        """Write what needs all images; returns what is to be said.

        Raises:
            StorageError: a file cannot be written.
        """
        if not self._whole.exists():
            self._files.finish(self._whole)
        self._ranked.sort()
        lines = "".join(f"{sure:.4f}\t{image}\n" for sure, image in self._ranked)
        write_output(self.worst_first, lines.encode("utf-8", "surrogateescape"))
        said = [loss_line(self._files)] if self._files.kept or not self.resume else []
        if self._ranked:
            sure, image = self._ranked[0]
            said.append(
                f"correct the least certain first, by {self.worst_first}:"
                f" {Path(image).name} has an expected IoU of {sure:.2f}"
            )
        return said

    @property
    def _whole(self) -> Path:
        return self.out / f"{self.shard.named('annotations')}.json"

    @property
    def worst_first(self) -> Path:
        """The list of the images, the least certain first."""
        return self.out / f"{self.shard.named(WORST_FIRST)}.txt"

    def _inner(self, item: Item) -> Path:
        return item.map.relative_to(self.out).with_suffix("")

    def _name(self, item: Item) -> str:
        inner = self._inner(item)
        whole = inner.suffix.lower() == item.image.suffix.lower()
        return inner.as_posix() + ("" if whole else item.image.suffix)

    def path(self, item: Item) -> Path:
        """The file of an image's own annotation; COCO has none."""
        inner = self._inner(item)
        if self.notation is Notation.YOLO:
            return self.out / "labels" / inner.with_name(f"{inner.name}.txt")
        return self.out / inner.with_name(f"{inner.name}.json")


def _seen_from(folder: Path, image: Path) -> str:
    try:
        return Path(os.path.relpath(image, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return image.absolute().as_posix()
