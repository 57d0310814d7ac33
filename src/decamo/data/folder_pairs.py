"""Which of the folders of one place hold images and which their masks, by what they are called."""

from collections.abc import Sequence
from pathlib import Path

from decamo.data.beside import MASK_WORDS
from decamo.data.halves import words_of
from decamo.data.pairs import holds_images

__all__ = [
    "MASK_FOLDER_WORDS",
    "folder_pairs_among",
    "plain_name",
    "words_besides",
]

_IMAGES = ("image", "imgs", "images", "im", "img")  # in order of preference
_MASKS = ("gtobject", "gt", "masks", "mask")
# As words of a longer name: DUTS-TR-Image beside DUTS-TR-Mask, imagesTr beside labelsTr
_IMAGE_WORDS = frozenset(_IMAGES)
_MASK_WORDS = frozenset(
    [
        "gt",
        "gts",
        "mask",
        "masks",
        "label",
        "labels",
        "annotation",
        "annotations",
        "groundtruth",
        "segmentation",
        "segmentations",
        "seg",
    ]
)
# Tried where those above find nothing: Original beside Ground Truth (CVC-ClinicDB), input beside
# target, frames beside masks (cameras), ISIC's Training_Input beside Training_GroundTruth
_MORE_IMAGE_WORDS = _IMAGE_WORDS | frozenset(
    [
        "photo", "photos", "photographs", "picture", "pictures", "pics", "frame", "frames", "rgb",
        "original", "originals", "orig", "input", "inputs", "source", "sat", "raw",
    ]
)  # fmt: skip
MASK_FOLDER_WORDS = _MASK_WORDS | MASK_WORDS | frozenset(["target", "targets", "mattes", "truth"])


def folder_pairs_among(children: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Folders of images, each with its folder of masks, among the folders of one place."""
    images, masks = _first(children, _IMAGES), _first(children, _MASKS)
    if images and masks:
        return [(images, masks)]
    return (
        _by_words(children, _IMAGE_WORDS, _MASK_WORDS)
        or _by_words(children, _MORE_IMAGE_WORDS, MASK_FOLDER_WORDS)
        or _by_each_other(children)
    )


def _by_each_other(children: Sequence[Path]) -> list[tuple[Path, Path]]:
    """``frogs`` beside ``frogs_gt``, Carvana's ``train`` beside ``train_masks``."""
    plain = {words_of(f.name): f for f in children if words_besides(f, MASK_FOLDER_WORDS) is None}
    rights = [(f, rest) for f in children if (rest := words_besides(f, MASK_FOLDER_WORDS))]
    return [
        (plain[rest], right)
        for right, rest in rights
        if rest in plain and holds_images(plain[rest]) and holds_images(right)
    ]


def _by_words(
    children: Sequence[Path], of_images: frozenset[str], of_masks: frozenset[str]
) -> list[tuple[Path, Path]]:
    lefts = [
        (child, rest) for child in children if (rest := words_besides(child, of_images)) is not None
    ]
    rights = [
        (child, rest) for child in children if (rest := words_besides(child, of_masks)) is not None
    ]
    rights = [(child, rest) for child, rest in rights if holds_images(child)] if lefts else []
    if len(lefts) > 1:  # VOC's ImageSets hold lists
        lefts = [(child, rest) for child, rest in lefts if holds_images(child)] or lefts
    if len(lefts) == len(rights) == 1:
        return [(lefts[0][0], rights[0][0])]
    if len(lefts) == 1 and (best := [f for f, rest in rights if rest == ("class",)]):
        return [(lefts[0][0], best[0])]  # VOC's SegmentationClass, beside SegmentationObject
    return _of_one_name(lefts, rights) or _of_one_name(_unnumbered(lefts), _unnumbered(rights))


def _of_one_name(
    lefts: Sequence[tuple[Path, tuple[str, ...]]], rights: Sequence[tuple[Path, tuple[str, ...]]]
) -> list[tuple[Path, Path]]:
    return [
        (left, right)
        for left, rest in lefts
        for right, other in rights
        if rest == other and [r for _, r in rights].count(rest) == 1
    ]


def _unnumbered(
    folders: Sequence[tuple[Path, tuple[str, ...]]],
) -> list[tuple[Path, tuple[str, ...]]]:
    """ISIC2018_Task1-2_Training_Input belongs to ISIC2018_Task1_Training_GroundTruth.

    Of several that differ by numbers alone none is left: numbers may be all that tells sets apart.
    """
    plain = [(f, tuple(word for word in rest if not word.isdigit())) for f, rest in folders]
    return [(f, rest) for f, rest in plain if [r for _, r in plain].count(rest) == 1]


def words_besides(folder: Path, roles: frozenset[str]) -> tuple[str, ...] | None:
    """What a folder's name says beside what lies in it; None where it does not say that."""
    words = words_of(folder.name.replace("GroundTruth", "groundtruth"))
    if words[-2:] == ("ground", "truth"):
        words = (*words[:-2], "groundtruth")
    ends = {words[0], words[-1]} if words else set()
    if not ends & roles:
        return None
    return tuple(word for word in words if word not in roles and word != "object")


def _first(folders: Sequence[Path], words: tuple[str, ...]) -> Path | None:
    ranked = [folder for word in words for folder in folders if plain_name(folder) == word]
    return ranked[0] if ranked else None


def plain_name(folder: Path) -> str:
    """A folder's name without case, blanks and dashes."""
    return folder.name.casefold().translate({ord(mark): None for mark in "-_ "})
