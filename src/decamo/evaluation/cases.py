"""What predictions are scored against: named sets of masks, and which were trained on."""

import hashlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

from decamo.data.census import DIGITS
from decamo.data.finding import glimpse
from decamo.data.packed_names import PackedNames
from decamo.data.pairs import ARRAY_SUFFIXES, Pair, files_by_stem
from decamo.data.read_ahead import patient_each
from decamo.data.rules import BY_ITSELF, ReadingRule
from decamo.data.split_record import SplitRecord
from decamo.data.waiting import NOBODY, Ear
from decamo.errors import DataError
from decamo.settings.words import verb
from decamo.storage.spilled import LookedUp, Picked

__all__ = [
    "Case",
    "CaseSet",
    "RuledCases",
    "TrainedOn",
    "sets_of_masks",
    "sets_of_pairs",
    "trained_on",
]

# Folder names that say what lies in them, not of which data set it is.
_PLAIN = {"gt", "gtobject", "mask", "masks", "test", "testdataset", "train", "traindataset"}


@dataclass(frozen=True)
class Case:
    """One mask to be scored against.

    Attributes:
        stem: file name without extension, which names the case.
        mask: path of the mask.
        pair: the mask with its image, or None where no image is known.
        rule: how the files are read, decided for the whole set.
        half: whether the mask has a grey about 128 that the conventions take differently.
        brightest: greatest level of the mask, where it was looked at.
    """

    stem: str
    mask: Path
    pair: Pair | None = None
    rule: ReadingRule = BY_ITSELF
    half: bool = False
    brightest: int = 0

    @property
    def noncam_by_name(self) -> bool:
        """Whether COD10K's naming says that nothing camouflaged is in the image."""
        return Pair(self.mask, self.mask, self.stem, "", "").noncam_by_name


@dataclass(frozen=True)
class CaseSet:
    """The cases of one data set, in the order of their stems.

    Attributes:
        name: of the set.
        cases: its masks.
        meaning: what its masks' values mean, in words, where it is not read off each file alone.
    """

    name: str
    cases: Sequence[Case]
    meaning: str = ""


class RuledCases(LookedUp[Case]):
    """Cases that know how their files are read.

    Args:
        cases: as they were found.
        rule: of all of them.
        half: of each whether its mask has a grey about 128.
        brightest: of each the greatest level of its mask.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        rule: ReadingRule,
        half: Sequence[int],
        brightest: Sequence[int],
    ) -> None:
        self._cases, self._rule, self._half, self._brightest = cases, rule, half, brightest

    def __len__(self) -> int:
        return len(self._cases)

    def at(self, place: int) -> Case:
        """The case of a place."""
        case, rule = self._cases[place], self._rule
        pair = None if case.pair is None else replace(case.pair, rule=rule)
        half, brightest = bool(self._half[place]), self._brightest[place]
        return replace(case, pair=pair, rule=rule, half=half, brightest=brightest)


def sets_of_pairs(pairs: Iterable[Pair]) -> list[CaseSet]:
    """Cases of image and mask pairs, one set for each data set, in the order they first occur."""
    every = pairs if isinstance(pairs, Sequence) else list(pairs)
    grouped: dict[str, array[int]] = {}
    for place, pair in enumerate(every):
        grouped.setdefault(pair.dataset, array("I")).append(place)
    return [
        CaseSet(name, Picked.each(Picked.those(every, _by_stem(every, places)), _case_of))
        for name, places in grouped.items()
    ]


def _by_stem(pairs: Sequence[Pair], places: Sequence[int]) -> Sequence[int]:
    """The places in the order of the pairs' stems; they nearly always are."""
    if all(a <= b for a, b in pairwise(pairs[place].stem for place in places)):
        return places
    return sorted(places, key=lambda place: pairs[place].stem)


def _case_of(pair: Pair) -> Case:
    return Case(pair.stem, pair.mask, pair)


def sets_of_masks(
    folders: Sequence[tuple[str, Path]], images: Mapping[str, Path] | None = None
) -> list[CaseSet]:
    """Cases of folders of masks.

    Args:
        folders: a name (may be empty: the folder's own is found) and a folder of masks for each.
        images: stem -> image file, where images are known; others go without.

    Raises:
        DataError: a folder is missing or holds no mask, two files have one stem, or two sets have
            one name.
    """
    sets: dict[str, CaseSet] = {}
    for given, folder in folders:
        name = given or _own_name(folder)
        if not folder.is_dir():
            raise DataError("--masks", f"{folder} is not a folder", "name a folder of masks")
        masks = files_by_stem(folder, ARRAY_SUFFIXES)
        if not masks:
            raise DataError(
                "--masks", f"no mask in {folder}: {glimpse(folder)}", "name a folder of masks"
            )
        if name in sets:
            raise DataError(
                "--masks", f"two sets are called {name}", "give names: --masks NAME=DIR"
            )
        stems = PackedNames(masks)
        sets[name] = CaseSet(name, Picked.each(stems, partial(_of_mask, masks, images or {}, name)))
    return list(sets.values())


def _of_mask(masks: Mapping[str, Path], images: Mapping[str, Path], name: str, stem: str) -> Case:
    mask = masks[stem]
    pair = Pair(images[stem], mask, stem, name, "") if stem in images else None
    return Case(stem, mask, pair)


def _own_name(folder: Path) -> str:
    """The innermost folder's name that is not a mere ``GT`` or ``Test``."""
    absolute = folder.absolute()
    names = [f.name for f in (absolute, *absolute.parents) if f.name]
    speaking = [n for n in names if n.casefold().replace("_", "").replace("-", "") not in _PLAIN]
    return (speaking or names or ["masks"])[0]


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
        pairs = Picked.each(Picked.where(cases.cases, _has_image), _pair_of)
        for pair, digest in zip(
            pairs, patient_each(_digest, pairs, ear, name=_image_of), strict=True
        ):
            held = by_bytes.get(digest, by_name.get(pair.key))
            if held is not None:
                sides[held].append(pair.stem)
        if sides[False] or sides[True]:
            met = TrainedOn(
                method, cases.name, len(cases.cases), tuple(sides[False]), tuple(sides[True])
            )
            found.append(met)
    return found


def _has_image(case: Case) -> bool:
    return case.pair is not None


def _pair_of(case: Case) -> Pair:
    assert case.pair is not None
    return case.pair


def _image_of(pair: Pair) -> Path:
    return pair.image


def _digest(pair: Pair) -> str:
    """What names an image's bytes; empty where they cannot be read, which scoring will tell."""
    try:
        with pair.image.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]
    except OSError:
        return ""
