"""Images and masks of two folders, matched by name."""

import os
import unicodedata
from collections.abc import Collection
from pathlib import Path

from decamo.data.finding import Source
from decamo.data.pairs import Pair
from decamo.errors import DataError

__all__ = ["IMAGE_SUFFIXES", "files_by_stem", "match_stems"]

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}


def match_stems(source: Source, split: str) -> tuple[list[Pair], list[Path]]:
    """Pair the files of a source by stem; the extension and its case do not matter.

    Args:
        source: where images and masks lie.
        split: what the pairs are to say of themselves.

    Returns:
        The pairs, and the orphans: images without a mask and masks without an image (in any of
        the folders that share the masks).

    Raises:
        DataError: two files of one folder have the same stem.
    """
    images, masks = files_by_stem(source.images), files_by_stem(source.masks)
    pairs = [
        Pair(images[stem], masks[stem], stem, source.name, split)
        for stem in sorted(images.keys() & masks.keys())
    ]
    elsewhere = {stem for folder in source.sharing for stem in files_by_stem(folder)}
    lone = [images[stem] for stem in images.keys() - masks.keys()]
    lone += [masks[stem] for stem in masks.keys() - images.keys() - elsewhere]
    return pairs, sorted(lone)


def files_by_stem(folder: Path, more: Collection[str] = ()) -> dict[str, Path]:
    """The image files of a folder by their name without extension (NFC), hidden ones left out.

    Args:
        folder: where they lie.
        more: extensions, in lower case with their dot, of other files that count.

    Raises:
        DataError: two files have the same stem.
    """
    found: dict[str, Path] = {}
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if _is_file(entry))
    for name in names:
        stem, extension = Path(name).stem, Path(name).suffix
        # "._photo.jpg" is a resource fork that macOS leaves on foreign disks
        known = extension.lower() in IMAGE_SUFFIXES or extension.lower() in more
        if not known or name.startswith("."):
            continue
        stem = unicodedata.normalize("NFC", stem)  # macOS archives decompose accents
        if stem in found:
            raise DataError(
                folder,
                f"{found[stem].name} and {name} have the same name but for the extension",
                "keep one of them: files are matched by that name",
            )
        found[stem] = folder / name
    return found


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False
