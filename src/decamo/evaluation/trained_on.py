"""Which of the images to be scored have trained the network that is scored."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from decamo.data.census import DIGITS
from decamo.data.read_ahead import patient_map
from decamo.data.split_record import SplitRecord
from decamo.data.waiting import NOBODY, Ear
from decamo.evaluation.cases import CaseSet
from decamo.settings.words import verb

__all__ = ["TrainedOn", "trained_on"]

_SHOWN = 3


@dataclass(frozen=True)
class TrainedOn:
    """Images of a set that a network has met while training.

    Attributes:
        method: name of the network.
        dataset: name of the set.
        count: images of the set.
        trained: stems of those whose pixels moved its weights.
        chose: stems of those that were held out and chose its epoch.
    """

    method: str
    dataset: str
    count: int
    trained: tuple[str, ...]
    chose: tuple[str, ...]

    @property
    def line(self) -> str:
        """What a person must know of it; empty where no image has trained."""
        if not self.trained:
            return ""
        names = ", ".join(self.trained[:_SHOWN]) + ", ..." * (len(self.trained) > _SHOWN)
        return (
            f"warning: {self.method} on {self.dataset}: {len(self.trained)} of {self.count} images"
            f" {verb(len(self.trained), 'has', 'have')} trained this network ({names}): the score"
            " does not tell how it does on new ones"
        )


def trained_on(
    method: str, record: SplitRecord, sets: Iterable[CaseSet], ear: Ear = NOBODY
) -> list[TrainedOn]:
    """What a checkpoint's record of its images tells of the sets to be scored; each that it met.

    Images are compared by the bytes of their files, so that no renaming hides one. An image of
    which the record has the name alone (of a checkpoint of before there were digests, whose file
    had changed when the run went on) is compared by ``dataset/name``.

    Raises:
        DataStalled: an image is not read to its end.
    """
    by_bytes = {known.image: known.held for known in record.images if known.image}
    by_name = {known.key: known.held for known in record.images if not known.image}
    # one that trained under any name has trained
    by_bytes |= {k.image: False for k in record.images if k.image and not k.held}
    found = []
    for cases in sets if record.images else ():
        sides: dict[bool, list[str]] = {False: [], True: []}
        known = [(case.stem, case.pair) for case in cases.cases if case.pair is not None]
        digests = patient_map(_digest, [pair.image for _, pair in known], ear)
        for (stem, pair), digest in zip(known, digests, strict=True):
            held = by_bytes.get(digest, by_name.get(pair.key))
            if held is not None:
                sides[held].append(stem)
        if sides[False] or sides[True]:
            met = TrainedOn(
                method, cases.name, len(cases.cases), tuple(sides[False]), tuple(sides[True])
            )
            found.append(met)
    return found


def _digest(path: Path) -> str:
    """What names a file's bytes; empty where they cannot be read, which scoring will tell."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]
    except OSError:
        return ""
