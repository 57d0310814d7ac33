"""Images and masks of two folders, matched by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from decamo.data.annotated import annotated_files
from decamo.data.finding import PairSource, glimpse
from decamo.data.folder_pairs import side_by_side
from decamo.data.name_rules import Pairing, pair_up
from decamo.data.pair_lists import SourcePairs
from decamo.data.pairs import ARRAY_SUFFIXES, IMAGE_SUFFIXES, files_by_stem, others_in
from decamo.data.stem_files import StemPairs
from decamo.errors import DataError
from decamo.settings.words import counted

__all__ = [
    "Matched",
    "mask_affix",
    "match_stems",
    "matched_files",
    "why_unmatched",
]


@dataclass(frozen=True)
class Matched:
    """What a source holds.

    Attributes:
        pairs: in the order of their stems.
        orphans: images without a mask and masks without an image (in any of the folders that
            share them), in order.
        note: how names of masks differ from those of their images; empty where they do not.
    """

    pairs: SourcePairs
    orphans: tuple[Path, ...]
    note: str = ""


def match_stems(source: PairSource, split: str, mask_suffix: str = "") -> Matched:
    """Pair the files of a source; the extension and its case do not matter.

    Args:
        source: where images and masks lie.
        split: what the pairs are to say of themselves.
        mask_suffix: as in :func:`pair_up`.

    Raises:
        DataError: two files of one folder have the same stem.
    """
    images, masks, found = matched_files(source, mask_affix(mask_suffix))
    inside = f"{source.sequence}/" if source.sequence else ""
    every = range(len(found.masks))
    pairs = SourcePairs(images, masks, found.masks, inside, source.name, split, every)
    beside = {stem for folder in source.sharing for stem in files_by_stem(folder)}
    opposite = {stem for folder in source.rivals for stem in files_by_stem(folder, ARRAY_SUFFIXES)}
    taken = found.masks.taken()
    lone = [images[s] for s in images if s not in found.masks and s not in opposite]
    lone += [masks[s] for s in masks if s not in taken and s not in beside]
    return Matched(pairs, tuple(sorted(lone)), found.note)


def matched_files(
    source: PairSource, affix: str
) -> tuple[Mapping[str, Path], Mapping[str, Path], Pairing]:
    """Images and masks of a source by their stems, and which belong together.

    Folders within count where nothing lies beside them, and also where they bring pairs of files
    without costing one of those that lie beside them.

    Raises:
        DataError: two files of one folder have the same stem.
    """
    if source.notation is not None:
        own, drawn = annotated_files(source)
        return own, drawn, Pairing(StemPairs.equal(sorted(own.keys() & drawn.keys())))
    if source.beside:
        told = side_by_side(source.images, affix)
        if told is None:
            return {}, {}, Pairing(StemPairs({}))
        if told.single and not affix:
            (image,), (mask,) = told.images, told.masks
            return told.images, told.masks, Pairing(StemPairs({image: mask}))
        return told.images, told.masks, pair_up(told.images, told.masks, affix)
    images, masks = files_by_stem(source.images), files_by_stem(source.masks, ARRAY_SUFFIXES)
    found = pair_up(images, masks, affix)
    if source.masks.parent == source.images:
        return images, masks, found
    try:
        below = files_by_stem(source.images, deep=True)
        others = files_by_stem(source.masks, ARRAY_SUFFIXES, deep=True)
    except DataError:  # of folders that counted for nothing
        return images, masks, found
    if len(below) > len(images):
        more = pair_up(below, others, affix)
        if _is_more(found.masks, more.masks):
            return below, others, more
    return images, masks, found


def _is_more(few: StemPairs, many: StemPairs) -> bool:
    """Whether some pairs are among others, which are more."""
    return len(few) < len(many) and all(many.get(stem) == few[stem] for stem in few)


def mask_affix(given: str) -> str:
    """``--mask-suffix`` without an extension: of ``_mask.png`` what belongs to the name."""
    known = IMAGE_SUFFIXES | ARRAY_SUFFIXES
    path = PurePath(f"x{given}")
    return path.stem[1:] if path.suffix.lower() in known else given


def why_unmatched(source: PairSource, mask_suffix: str) -> tuple[str, str]:
    """Why a source has no pair, and what to do: two parts of a line for people."""
    images, masks, _ = matched_files(source, mask_affix(mask_suffix))
    for files, folder, what in ((images, source.images, "image"), (masks, source.masks, "mask")):
        if not files:
            return f"no {what} in {folder}: {_instead(folder)}", _CONVERT
    some = ", ".join(images[stem].name for stem in sorted(images)[:2])
    others = ", ".join(masks[stem].name for stem in sorted(masks)[:2])
    if mask_suffix:
        got = f"no mask in {source.masks} is an image's name with {mask_suffix}: it holds {others}"
        return f"{got} for {some}", "give the ending that masks have behind their image's name"
    several = _several(images, masks)
    if several:
        got = f"{several[0]} could belong to {len(several[1])} masks: {', '.join(several[1][:3])}"
        return f"in {source.masks}, {got}", "say which with --mask-suffix, such as _mask"
    got = f"{counted(len(images), 'image')} in {source.images} ({some}) and"
    got = f"{got} {counted(len(masks), 'mask')} in"
    return f"{got} {source.masks} ({others}) have no name in common", _RENAME


_CONVERT = (
    f"convert them to one of {' '.join(sorted(s[1:] for s in IMAGE_SUFFIXES))} (masks also npy)"
)
_RENAME = (
    "masks need the file names of their images, whatever the extension; give --mask-suffix _mask"
    " if theirs end otherwise"
)


def _instead(folder: Path) -> str:
    others = [f"{count} {name}" for name, count in others_in(folder).items()]
    return f"{', '.join(others[:3])} cannot be read" if others else f"it holds {glimpse(folder)}"


def _several(images: Mapping[str, Path], masks: Mapping[str, Path]) -> tuple[str, list[str]] | None:
    """An image whose name begins those of several masks."""
    for stem in sorted(images)[:50]:
        found = sorted(m for m in masks if m.startswith(stem) and m[len(stem) :][:1] in "_-. ")
        if len(found) > 1:
            return stem, found
    return None
