"""Predictions as annotations that a person corrects, what is least certain first."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from decamo.data.annotation_files import AnnotationFiles, Drawing, loss_line
from decamo.data.inside import Notation
from decamo.errors import SettingsError
from decamo.inference.expected import expected_iou
from decamo.inference.inputs import Item
from decamo.metrics import THRESHOLD
from decamo.storage.outputs import write_output

__all__ = ["WORST_FIRST", "PredictedAnnotations"]

WORST_FIRST = "worst_first.txt"
_TOLERANCE = 1.0  # px: a person drags corners, and there must be few


@dataclass
class PredictedAnnotations:
    """Annotations of predictions, in a folder.

    Attributes:
        out: the folder.
        notation: COCO, YOLO or LabelMe.
        instances: whether each connected region is an instance.
    """

    out: Path
    notation: Notation
    instances: bool = False
    _files: AnnotationFiles = field(init=False, repr=False)
    _ranked: list[tuple[float, str]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        self._files = AnnotationFiles(self.notation, self.instances, _TOLERANCE)

    def paths(self, items: tuple[Item, ...]) -> list[Path]:
        """The files that will be written.

        Raises:
            SettingsError: one is there, and may hold what a person has corrected.
        """
        one_each = [] if self.notation is Notation.COCO else [self._path(item) for item in items]
        paths = [*one_each, *([self._whole] if not one_each else [])]
        for path in paths:
            if path.exists():
                raise SettingsError(
                    "--write", f"{path} is there, and may have been corrected by hand",
                    "give another --out, or remove it",
                )  # fmt: skip
        return [*paths, self.out / WORST_FIRST]

    def add(self, item: Item, probability: npt.NDArray[np.float32]) -> float:
        """Annotate an image by its map; returns the expected IoU.

        Raises:
            StorageError: a file cannot be written.
        """
        sure = expected_iou(probability)
        path = self._path(item)
        drawing = Drawing(self._name(item), probability >= THRESHOLD, round(sure, 4))
        self._files.add(drawing, path, _seen_from(path.parent, item.image))
        self._ranked.append((sure, str(item.image)))
        return sure

    def finish(self) -> list[str]:
        """Write what needs all images; returns what is to be said.

        Raises:
            StorageError: a file cannot be written.
        """
        self._files.finish(self._whole)
        self._ranked.sort()
        lines = "".join(f"{sure:.4f}\t{image}\n" for sure, image in self._ranked)
        write_output(self.out / WORST_FIRST, lines.encode("utf-8", "surrogateescape"))
        said = [loss_line(self._files)]
        if self._ranked:
            sure, image = self._ranked[0]
            said.append(
                f"correct the least certain first, by {self.out / WORST_FIRST}:"
                f" {Path(image).name} has an expected IoU of {sure:.2f}"
            )
        return said

    @property
    def _whole(self) -> Path:
        return self.out / "annotations.json"

    def _inner(self, item: Item) -> Path:
        return item.map.relative_to(self.out).with_suffix("")

    def _name(self, item: Item) -> str:
        inner = self._inner(item)
        whole = inner.suffix.lower() == item.image.suffix.lower()
        return inner.as_posix() + ("" if whole else item.image.suffix)

    def _path(self, item: Item) -> Path:
        inner = self._inner(item)
        if self.notation is Notation.YOLO:
            return self.out / "labels" / inner.with_name(f"{inner.name}.txt")
        return self.out / inner.with_name(f"{inner.name}.json")


def _seen_from(folder: Path, image: Path) -> str:
    try:
        return Path(os.path.relpath(image, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return image.absolute().as_posix()
