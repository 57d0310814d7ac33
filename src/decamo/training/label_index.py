"""Pseudo-labels in a run folder: a PNG mask a photograph, and ``index.json``, which names them.

A photograph is known by its content: under another path or name it keeps its label. A label is
believed for as long as its mask lies there.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from decamo.data.census import DIGITS, BadFile
from decamo.data.decoding import as_unreadable
from decamo.data.inside.mask_bytes import stored_as
from decamo.data.rules import PixelScale
from decamo.inference.prediction_log import stamp_of
from decamo.inference.writer import write_probability
from decamo.storage import keep_copy, make_folder, storage_error, write_whole

__all__ = ["LabelIndex", "PseudoLabel", "Sighting", "sighting_of"]

_VERSION = 1
_NAMED = 12  # digits of the photograph's digest in the name of its mask


@dataclass(frozen=True)
class PseudoLabel:
    """The label of a photograph.

    Attributes:
        image: where the photograph lay.
        size: of its file, in bytes.
        changed: its time of change, in ns.
        digest: of its bytes.
        mask: name of the mask's file.
        confidence: IoU that the mask is expected to have with the object, in [0, 1].
        checkpoint: sha256 of the network's file.
    """

    image: str
    size: int
    changed: int
    digest: str
    mask: str
    confidence: float
    checkpoint: str


@dataclass(frozen=True)
class Sighting:
    """A photograph that lies there now."""

    path: Path
    size: int
    changed: int
    digest: str


def sighting_of(path: Path, known: Mapping[str, PseudoLabel]) -> Sighting:
    """A photograph, read to its end unless a label was made of it as it lies there.

    Args:
        path: absolute.
        known: labels by the paths of their photographs.

    Raises:
        UnreadableImage: it cannot be read.
    """
    with as_unreadable(path):
        size, changed = stamp_of(path)
        held = known.get(str(path))
        if held is not None and (held.size, held.changed) == (size, changed):
            return Sighting(path, size, changed, held.digest)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]
        return Sighting(path, size, changed, digest)


@dataclass
class LabelIndex:
    """The labels of a run folder.

    Attributes:
        folder: of masks and index.
        labels: by the digests of their photographs.
        scale: how photographs of more than 8 bits were read; None where there were none.
        bad: photographs that could not be read when last looked at.
    """

    folder: Path
    labels: dict[str, PseudoLabel] = field(default_factory=dict)
    scale: PixelScale | None = None
    bad: tuple[BadFile, ...] = ()

    @property
    def path(self) -> Path:
        """The index's file."""
        return self.folder / "index.json"

    @staticmethod
    def read(folder: Path) -> "LabelIndex":
        """The index of a folder; an empty one where there is none, or none that can be read."""
        index = LabelIndex(folder)
        try:
            held = json.loads(index.path.read_text(encoding="utf-8"))
            if held["version"] != _VERSION:
                return index
            labels = [PseudoLabel(**one) for one in held["labels"]]
            scale = None if held["scale"] is None else PixelScale(**held["scale"])
            bad = [BadFile(key, Path(path), reason) for key, path, reason in held["unreadable"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return index  # what was labelled is labelled again
        return LabelIndex(folder, {one.digest: one for one in labels}, scale, tuple(bad))

    def write(self) -> None:
        """Keep it; the file is whole or as it was.

        Raises:
            StorageError: it cannot be written.
        """
        plain: dict[str, Any] = {
            "version": _VERSION,
            "scale": None if self.scale is None else asdict(self.scale),
            "unreadable": [[bad.pair_key, str(bad.path), bad.reason] for bad in self.bad],
            "labels": [asdict(label) for label in self._in_order()],
        }
        write_whole(self.path, json.dumps(plain, indent=1).encode())

    def _in_order(self) -> Sequence[PseudoLabel]:
        return sorted(self.labels.values(), key=lambda label: label.mask)

    def by_path(self) -> dict[str, PseudoLabel]:
        """Labels by where their photographs lay."""
        return {label.image: label for label in self.labels.values()}

    def usable(self, checkpoint: str | None) -> Iterator[PseudoLabel]:
        """Labels whose masks lie there.

        Args:
            checkpoint: sha256 of the network that is to have given them; None for any.
        """
        for label in self.labels.values():
            if checkpoint in (None, label.checkpoint) and self.mask_of(label).is_file():
                yield label

    def mask_of(self, label: PseudoLabel) -> Path:
        """A label's mask."""
        return self.folder / label.mask

    def adopt(self, other: "LabelIndex") -> None:
        """Take over the labels of another run folder, those apart that are here.

        Raises:
            StorageError: a mask cannot be copied.
        """
        taken = [label for label in other.usable(None) if label.digest not in self.labels]
        if not self.labels:
            self.scale = other.scale
        make_folder(self.folder)
        for label in taken:
            try:
                keep_copy(other.mask_of(label), self.mask_of(label))
            except OSError as error:
                raise storage_error(self.mask_of(label), error) from error
            self.labels[label.digest] = label

    def add(
        self, seen: Sighting, mask: npt.NDArray[np.bool_], confidence: float, checkpoint: str
    ) -> None:
        """Write a mask, and remember its label.

        Args:
            seen: the photograph.
            mask: bool ``[H, W]``, as the photograph is displayed. It is stored as the photograph
                is, whose orientation then brings both upright.
            confidence: in [0, 1].
            checkpoint: sha256 of the network's file.

        Raises:
            UnreadableImage: the photograph has gone.
            StorageError: the mask cannot be written.
        """
        stored = stored_as(seen.path)[1].back(mask)
        name = f"{seen.path.stem}-{seen.digest[:_NAMED]}.png"
        write_probability(self.folder / name, stored.astype(np.float32))
        self.labels[seen.digest] = PseudoLabel(
            str(seen.path), seen.size, seen.changed, seen.digest, name, confidence, checkpoint
        )

    def move(self, seen: Sighting) -> bool:
        """Remember where a labelled photograph lies now; whether that was elsewhere."""
        held = self.labels[seen.digest]
        now = replace(held, image=str(seen.path), size=seen.size, changed=seen.changed)
        self.labels[seen.digest] = now
        return now != held
