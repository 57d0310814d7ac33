"""What predictions are scored against: named sets of masks, with their images where known."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from decamo.data.finding import glimpse
from decamo.data.pairs import ARRAY_SUFFIXES, Pair, files_by_stem
from decamo.data.rules import BY_ITSELF, ReadingRule
from decamo.errors import DataError

__all__ = ["Case", "CaseSet", "sets_of_masks", "sets_of_pairs"]

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
    cases: tuple[Case, ...]
    meaning: str = ""


def sets_of_pairs(pairs: Iterable[Pair]) -> list[CaseSet]:
    """Cases of image and mask pairs, one set for each data set, in the order they first occur."""
    grouped: dict[str, list[Case]] = {}
    for pair in pairs:
        grouped.setdefault(pair.dataset, []).append(Case(pair.stem, pair.mask, pair))
    return [
        CaseSet(name, tuple(sorted(cases, key=lambda c: c.stem))) for name, cases in grouped.items()
    ]


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
        known = images or {}
        cases = [
            Case(s, masks[s], Pair(known[s], masks[s], s, name, "") if s in known else None)
            for s in sorted(masks)
        ]
        sets[name] = CaseSet(name, tuple(cases))
    return list(sets.values())


def _own_name(folder: Path) -> str:
    """The innermost folder's name that is not a mere ``GT`` or ``Test``."""
    absolute = folder.absolute()
    names = [f.name for f in (absolute, *absolute.parents) if f.name]
    speaking = [n for n in names if n.casefold().replace("_", "").replace("-", "") not in _PLAIN]
    return (speaking or names or ["masks"])[0]
