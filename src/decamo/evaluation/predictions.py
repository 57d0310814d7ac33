"""Folders of anyone's maps: what they are called, and which map belongs to which mask."""

import unicodedata
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

import numpy as np
import numpy.typing as npt
from PIL import Image

from decamo.data.finding import glimpse
from decamo.data.packed_names import PackedNames
from decamo.data.pairs import (
    ARRAY_SUFFIXES,
    IMAGE_SUFFIXES,
    Pair,
    files_by_stem,
    image_files,
    named_files,
)
from decamo.data.reading import read_mask
from decamo.data.stem_files import SortedStems, StemFiles, sides_of_each, stem_of
from decamo.errors import DataError, SettingsError
from decamo.evaluation.cases import Case, CaseSet
from decamo.evaluation.convention import Convention, NonCam
from decamo.evaluation.map_files import Values, to_bytes
from decamo.settings.words import verb
from decamo.storage.spilled import Picked

__all__ = [
    "MapFolder",
    "fitted",
    "match_maps",
    "method_names",
    "named_path",
]


def named_path(text: str) -> tuple[str, Path]:
    """``NAME=PATH`` apart; the name is empty where there is none or the whole is a path."""
    name, equals, path = text.partition("=")
    if not equals or "/" in name or Path(text).exists():
        return "", Path(text)
    return name, Path(path)


def method_names(named: Sequence[tuple[str, Path]]) -> list[str]:
    """Names given, else the path's stem, with its folder's name where two would be alike.

    Raises:
        SettingsError: two are still alike.
    """
    plain = [name or path.absolute().stem for name, path in named]
    names = [
        n if plain.count(n) == 1 or given else f"{path.absolute().parent.name}/{n}"
        for n, (given, path) in zip(plain, named, strict=True)
    ]
    twice = [n for n in names if names.count(n) > 1]
    if twice:
        raise SettingsError(twice[0], "two methods have this name", "give names: NAME=PATH")
    return names


@dataclass(frozen=True)
class MapFolder:
    """The maps of one method for one set.

    Attributes:
        method: its name.
        maps: a file for each case of the set, in their order; None where there is none.
        extra: maps that belong to no mask.
    """

    method: str
    maps: Sequence[Path | None]
    extra: tuple[Path, ...]


def match_maps(
    method: str, root: Path, cases: CaseSet, *, alone: bool, missing: str, noncam: NonCam
) -> MapFolder:
    """Find a method's map for each mask of a set.

    Args:
        method: the name to score it under.
        root: a folder of maps, or a folder that holds one folder of maps for each data set, or
            folders like those of the images, as ``decamo predict`` writes them.
        cases: the set.
        alone: whether this is the only set, so that ``root`` itself may hold the maps.
        missing: ``error``, or ``zero``: a missing map counts as one that finds nothing.
        noncam: no map is asked for what it leaves out.

    Raises:
        DataError: no folder for the set, two maps of one stem, or a map is missing.
    """
    folder, found = _own_folder(method, root, cases, alone)
    fits = any(case.stem in found for case in cases.cases)
    if not fits and (mirrored := _mirrored(root, cases)):
        folder, found, fits = root, mirrored, True
    elif folder is None:
        raise DataError(
            "--predictions",
            f"{root} has no folder {cases.name} with the maps of {method}, it holds "
            f"{glimpse(root)}",
            "name the folders inside after the data sets, or score one set at a time",
        )
    _refuse_twins(folder, found)
    lacking = Picked.where(
        cases.cases, lambda case: case.stem not in found and not _dropped(case, noncam)
    )
    if lacking and (missing == "error" or not fits):
        names = ", ".join(case.stem for case in lacking[:3])
        raise DataError(
            folder,
            f"{len(lacking)} of {len(cases.cases)} masks of {cases.name}"
            f" {verb(len(lacking), 'has', 'have')} no map by {method}, such as {names}; the folder"
            f" holds {glimpse(folder, 3)}",
            "add the maps, or count each as finding nothing with --missing zero"
            if fits
            else "name the folder whose files have the masks' names",
        )
    return MapFolder(
        method,
        Picked.each(cases.cases, lambda case: found.get(case.stem)),
        tuple(found[stem] for stem in _beyond(found, cases)),
    )


def _beyond(found: Mapping[str, Path], cases: CaseSet) -> list[str]:
    """Stems of maps that are no case's, in order."""
    stems = (case.stem for case in cases.cases)
    known = found if isinstance(found, StemFiles) else sorted(found)
    return [stem for stem, is_map, is_case in sides_of_each(known, stems) if not is_case]


def fitted(
    values: Values,
    shape: tuple[int, int],
    names: Sequence[object],
    *,
    resize: bool,
    convention: Convention = Convention.PLAIN,
) -> Values:
    """The map at the mask's size; the mask is never resized.

    Args:
        values: uint8, or float64 in [0, 1], ``[h, w]``.
        shape: ``(H, W)`` of the mask.
        names: the map's and the mask's file, for the error.
        resize: whether another size is brought to the mask's; otherwise it is an error.
        convention: ``PUBLISHED`` resizes as OpenCV's ``INTER_LINEAR`` does, bit for bit, which
            pysodmetrics' documentation calls for; ``PLAIN`` bilinear, antialiased where a side
            shrinks. (The MATLAB toolbox resizes bicubic, and overwrites the map.)

    Raises:
        DataError: the sizes differ and ``resize`` is off.
    """
    if values.shape == shape:
        return values
    if not resize:
        raise DataError(
            names[0],
            f"the map is {values.shape[0]} x {values.shape[1]} px (height x width), its mask "
            f"{names[1]} is {shape[0]} x {shape[1]} px",
            "write maps at the masks' size, or give --resize",
        )
    if convention is Convention.PUBLISHED:
        return _as_opencv(values, shape)
    picture = Image.fromarray(to_bytes(values)).resize(shape[::-1], Image.Resampling.BILINEAR)
    return np.asarray(picture)


def _as_opencv(values: Values, shape: tuple[int, int]) -> Values:
    """OpenCV's bilinear resize without antialiasing; of bytes in its fixed-point arithmetic."""
    (height, width), (new_height, new_width) = values.shape, shape
    top, bottom, down = _taps(height, new_height, at_edge=True)
    left, right, across = _taps(width, new_width, at_edge=False)
    if values.dtype != np.uint8:
        exact = values.astype(np.float64)
        rows: npt.NDArray[np.float64] = exact[:, left] * (1 - across) + exact[:, right] * across
        return rows[top] * (1 - down[:, None]) + rows[bottom] * down[:, None]
    whole = values.astype(np.int64)
    if (height, width) == (2 * new_height, 2 * new_width):  # it takes means of 2 x 2 then
        four = whole[::2, ::2] + whole[1::2, ::2] + whole[::2, 1::2] + whole[1::2, 1::2]
        return ((four + 2) >> 2).astype(np.uint8)
    (first, second), (above, below) = _fixed(across), _fixed(down)
    lines = whole[:, left] * first + whole[:, right] * second >> 4
    sums = (above[:, None] * lines[top] >> 16) + (below[:, None] * lines[bottom] >> 16)
    return np.clip(sums + 2 >> 2, 0, 255).astype(np.uint8)


def _taps(
    old: int, new: int, *, at_edge: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """For each new pixel its two old ones, and the weight of the second.

    Beyond the first and last pixel the weight is 0 along rows; along columns (``at_edge``) it is
    kept and both are that pixel, whose two shares are then rounded one by one.
    """
    place = ((np.arange(new) + 0.5) * (1 / (new / old)) - 0.5).astype(np.float32)
    first = np.floor(place).astype(np.int64)
    weight = place - first.astype(np.float32)
    if not at_edge:
        weight[(first < 0) | (first >= old - 1)] = 0
    return np.clip(first, 0, old - 1), np.clip(first + 1, 0, old - 1), weight


def _fixed(weight: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int64], ...]:
    """Both weights in 1/2048."""
    scale = np.float32(2048)
    return tuple(np.rint(w * scale).astype(np.int64) for w in (np.float32(1) - weight, weight))


def _refuse_twins(folder: Path, found: Mapping[str, Path]) -> None:
    """Refuse a map in two files, such as a picture and an array: which one counts is unsaid."""
    for path in image_files(folder, ARRAY_SUFFIXES):
        name = path.relative_to(folder).as_posix()
        other = found.get(stem_of(name), path)
        if other != path and other.with_suffix("") == path.with_suffix(""):
            _refuse_twin(folder, other.name, path.name)


def _refuse_twin(folder: Path, kept: str, other: str) -> str:
    raise DataError(
        folder,
        f"{PurePath(other).name} and {PurePath(kept).name} have the same name but for the"
        " extension",
        "keep one of them: maps are matched by that name",
    )


def _own_folder(
    method: str, root: Path, cases: CaseSet, alone: bool
) -> tuple[Path | None, Mapping[str, Path]]:
    """The folder of a set's maps by its name, and what lies in it by stem; None: there is none."""
    if not root.is_dir():
        raise DataError("--predictions", f"{root} is not a folder", "name a folder of maps")
    children = {child.name.casefold(): child for child in root.iterdir() if child.is_dir()}
    own = children.get(cases.name.casefold(), root if alone else None)
    return own, {} if own is None else files_by_stem(own, ARRAY_SUFFIXES)


class _MirroredMaps(Mapping[str, Path]):
    """Maps in folders like those of their images: by stem of a case, and others there by their own.

    Args:
        files: every map below the root.
        stems: of the cases that have a map, in order.
        owned: of each of these the place of its map among the files.
    """

    def __init__(self, files: StemFiles, stems: PackedNames, owned: Sequence[int]) -> None:
        self._files, self._stems, self._owned = files, SortedStems(stems), owned
        taken, folders = bytearray(len(files)), set[str]()
        for place in owned:
            taken[place] = True
            folders.add(_folder_of(files.names[place]))
        rest = (n for n, is_taken in zip(files.names, taken, strict=True) if not is_taken)
        self._others = StemFiles(files.folder, (n for n in rest if _folder_of(n) in folders))

    def __len__(self) -> int:
        return len(self._owned) + len(self._others)

    def __iter__(self) -> Iterator[str]:
        return (stem for stem, _, _ in sides_of_each(self._stems, self._others))

    def __getitem__(self, stem: str) -> Path:
        place = self._stems.place_of(stem)
        if place is None:
            return self._others[stem]
        return self._files.folder / self._files.names[self._owned[place]]


def _folder_of(name: str) -> str:
    return name.rpartition("/")[0]


def _mirrored(root: Path, cases: CaseSet) -> Mapping[str, Path]:
    """Stem -> map, of maps that lie in folders like those of their images.

    ``decamo predict a b --out o`` writes ``o/a/x.png`` for ``a/x.jpg``: the map's path within ``o``
    is what the image's path ends in. Of two that fit the longer one does.
    """
    suffixes = IMAGE_SUFFIXES.union(ARRAY_SUFFIXES)
    choose = partial(_refuse_twin, root)
    deep = StemFiles.gathered(root, named_files(root, suffixes, True, None), choose)
    most = max((name.count("/") + 1 for name in deep.names), default=0)
    owned = array("I")

    def stems() -> Iterator[str]:
        for case in cases.cases:
            place = None if case.pair is None else _place_of_map(case.pair, deep, most)
            if place is not None:
                owned.append(place)
                yield case.stem

    return _MirroredMaps(deep, PackedNames(stems()), owned)


def _place_of_map(pair: Pair, deep: StemFiles, most: int) -> int | None:
    image = pair.image.absolute()
    # predict keeps the whole name where two images of a folder have one stem
    for name in (image.name, image.stem):
        parts = (*image.parent.parts, name)
        for size in range(most, 1, -1):
            end = unicodedata.normalize("NFC", "/".join(parts[-size:]))
            if (place := deep.place_of(end)) is not None:
                return place
    return None


def _dropped(case: Case, noncam: NonCam) -> bool:
    empty = noncam is NonCam.DROP and not read_mask(case.mask, case.rule).any()
    return noncam.leaves_out(named=case.noncam_by_name, empty=empty)
