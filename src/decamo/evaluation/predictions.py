"""Folders of anyone's prediction maps, matched to the masks by name; none silently left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from decamo.data.finding import glimpse
from decamo.data.matching import files_by_stem
from decamo.data.reading import read_image, read_mask
from decamo.errors import DataError
from decamo.evaluation.cases import Case, CaseSet

__all__ = ["MapFolder", "fitted", "match_maps", "read_map"]

# ITU-R 601 luminance, for maps that were saved in colour.
_LUMINANCE = np.array([299, 587, 114], dtype=np.int64)


@dataclass(frozen=True)
class MapFolder:
    """The maps of one method for one set.

    Attributes:
        method: its name.
        maps: a file for each case of the set, in their order; None where there is none.
        extra: maps that belong to no mask.
    """

    method: str
    maps: tuple[Path | None, ...]
    extra: tuple[Path, ...]


def match_maps(
    method: str, root: Path, cases: CaseSet, *, alone: bool, missing: str, noncam: str
) -> MapFolder:
    """Find a method's map for each mask of a set.

    Args:
        method: the name to score it under.
        root: a folder of maps, or a folder that holds one folder of maps for each data set.
        cases: the set.
        alone: whether this is the only set, so that ``root`` itself may hold the maps.
        missing: ``error``, or ``zero``: a missing map counts as one that finds nothing.
        noncam: ``drop`` or ``negatives``; under ``drop`` no map is asked for an empty mask.

    Raises:
        DataError: no folder for the set, two maps of one stem, or a map is missing.
    """
    folder = _folder_for(method, root, cases, alone)
    found = files_by_stem(folder)
    stems = {case.stem for case in cases.cases}
    lacking = [c for c in cases.cases if c.stem not in found and not _dropped(c, noncam)]
    if lacking and (missing == "error" or not stems & found.keys()):
        names = ", ".join(case.stem for case in lacking[:3])
        raise DataError(
            folder,
            f"{len(lacking)} of {len(stems)} masks of {cases.name} have no map by {method}, such "
            f"as {names}; the folder holds {glimpse(folder, 3)}",
            "add the maps, or count each as finding nothing with --missing zero"
            if stems & found.keys()
            else "name the folder whose files have the masks' names",
        )
    return MapFolder(
        method,
        tuple(found.get(case.stem) for case in cases.cases),
        tuple(found[stem] for stem in sorted(found.keys() - stems)),
    )


def read_map(path: Path) -> npt.NDArray[np.uint8]:
    """A prediction map as grey levels, uint8 ``[H, W]``: 0 is background, 255 is object.

    Colour is read as luminance (ITU-R 601); 16 bits are scaled by 1/257.

    Raises:
        UnreadableImage: it cannot be decoded.
    """
    rgb = read_image(path)
    grey = rgb[..., 0]
    if (grey == rgb[..., 1]).all() and (grey == rgb[..., 2]).all():
        return np.ascontiguousarray(grey)
    return ((rgb @ _LUMINANCE + 500) // 1000).astype(np.uint8)


def fitted(
    grey: npt.NDArray[np.uint8], shape: tuple[int, int], names: Sequence[object], *, resize: bool
) -> npt.NDArray[np.uint8]:
    """The map at the mask's size.

    Args:
        grey: uint8 ``[h, w]``.
        shape: ``(H, W)`` of the mask.
        names: the map's and the mask's file, for the error.
        resize: whether another size is brought to the mask's (bilinear, antialiased where a side
            shrinks); otherwise it is an error.

    Raises:
        DataError: the sizes differ and ``resize`` is off.
    """
    if grey.shape == shape:
        return grey
    if not resize:
        raise DataError(
            names[0],
            f"the map is {grey.shape[0]} x {grey.shape[1]} px (height x width), its mask "
            f"{names[1]} is {shape[0]} x {shape[1]} px",
            "write maps at the masks' size, or give --resize",
        )
    picture = Image.fromarray(grey).resize(shape[::-1], Image.Resampling.BILINEAR)
    return np.asarray(picture)


def _folder_for(method: str, root: Path, cases: CaseSet, alone: bool) -> Path:
    if not root.is_dir():
        raise DataError("--predictions", f"{root} is not a folder", "name a folder of maps")
    children = {child.name.casefold(): child for child in root.iterdir() if child.is_dir()}
    own = children.get(cases.name.casefold())
    if own is None and alone:
        return root
    if own is None:
        raise DataError(
            "--predictions",
            f"{root} has no folder {cases.name} with the maps of {method}, it holds "
            f"{glimpse(root)}",
            "name the folders inside after the data sets, or score one set at a time",
        )
    return own


def _dropped(case: Case, noncam: str) -> bool:
    return noncam == "drop" and (case.noncam_by_name or not read_mask(case.mask).any())
