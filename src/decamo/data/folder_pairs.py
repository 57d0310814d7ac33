"""Which folders, and which files of one folder, are images and which are their masks.

Three ways are met: an ending or a word that says which file is the mask (``frog.jpg`` and
``frog_mask.png`` of Roboflow's exports, ``plant001_rgb.png`` and ``plant001_label.png`` of CVPPP),
one name with two extensions (``frog.jpg`` and ``frog.png``, HKU-IS and MSRA10K), and a folder for
each image (``case7/image.png`` and ``case7/mask.png``). Of two extensions that one is the masks' in
whose files two colours fill nearly everything.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from decamo.data.halves import words_of
from decamo.data.pairs import ARRAY_SUFFIXES, IMAGE_SUFFIXES, holds_images, loose_files

__all__ = [
    "MASK_FOLDER_WORDS",
    "MASK_WORDS",
    "Beside",
    "folder_pairs_among",
    "plain_name",
    "side_by_side",
    "words_besides",
]

MASK_WORDS = frozenset(
    [
        "gt", "gts", "mask", "masks", "label", "labels", "annotation", "annotations", "anno",
        "groundtruth", "segmentation", "segmentations", "seg", "matte", "alpha", "lesion",
    ]
)  # fmt: skip
"""Words of a file's name that say that it is a mask."""

_SAMPLES = 5  # files of each extension that are looked at
_SIDE = 128  # px to which they are reduced, without mixing colours
_FLAT = 0.6  # share of a mask that its two most frequent colours have
_APART = 0.2  # by which that of photographs lies below


@dataclass(frozen=True)
class Beside:
    """Files of one folder.

    Attributes:
        images: stem -> image.
        masks: stem -> mask; the stem may be that of its image.
        single: whether the folder holds one image and its mask, whatever they are called.
    """

    images: Mapping[str, Path]
    masks: Mapping[str, Path]
    single: bool = False


def side_by_side(folder: Path, mask_suffix: str = "") -> Beside | None:
    """The images and the masks among the files of a folder; None where no masks are among them.

    Args:
        folder: where to look; not in folders within.
        mask_suffix: what the names of masks have behind those of their images, where it is known.
    """
    files = loose_files(folder, ARRAY_SUFFIXES | IMAGE_SUFFIXES)
    if len(files) < 2:
        return None
    if mask_suffix:
        return _by_suffix(files, mask_suffix)
    return _files_by_words(files) or _by_extension(files)


def _stem(path: Path) -> str:
    return unicodedata.normalize("NFC", path.stem)


def _by_suffix(files: Iterable[Path], suffix: str) -> Beside | None:
    stems = {_stem(path) for path in files}
    masks = [
        path for path in files
        if _stem(path).endswith(suffix) and _stem(path).removesuffix(suffix) in stems
    ]  # fmt: skip
    return _told(files, masks)


def _files_by_words(files: Iterable[Path]) -> Beside | None:
    masks = [path for path in files if _says_mask(_stem(path))]
    found = _told(files, masks)
    if found is None:
        return None
    if len(found.images) == len(found.masks) == 1:
        return Beside(found.images, found.masks, single=True)
    # a photograph may be called frog_mask.jpg: then the others are not what it is the mask of
    keys = Counter(_without_mask_words(stem) for stem in found.masks)
    whole = {_without_mask_words(stem) for stem in found.images}
    near = {"-".join(words_of(stem)[:-1]) for stem in found.images}
    known = sum(1 for key in keys if key in whole or key in near)
    return found if known * 2 >= len(keys) else None


def _says_mask(stem: str) -> bool:
    plain = stem.replace("GroundTruth", "groundtruth")
    words = [word for word in words_of(plain) if not word.isdigit()]
    return bool(words) and (words[0] in MASK_WORDS or words[-1] in MASK_WORDS)


def _without_mask_words(stem: str) -> str:
    stem = stem.replace("GroundTruth", "groundtruth")
    return "-".join(word for word in words_of(stem) if word not in MASK_WORDS)


def _by_extension(files: Iterable[Path]) -> Beside | None:
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        groups[_stem(path)].append(path)
    twins = [group for group in groups.values() if len(group) == 2]
    if not twins or 2 * len(twins) < len(groups):
        return None
    kinds = Counter(tuple(sorted(p.suffix.lower() for p in group)) for group in twins)
    (one, other), _ = min(kinds.items(), key=lambda item: (-item[1], item[0]))
    if one == other:
        return None
    shares = {kind: _flat_share([p for g in twins for p in g if p.suffix.lower() == kind])
              for kind in (one, other)}  # fmt: skip
    mask, image = sorted((one, other), key=lambda kind: (-shares[kind], kind))
    if shares[mask] < _FLAT or shares[image] > shares[mask] - _APART:
        return None
    return _told(files, [path for path in files if path.suffix.lower() == mask])


def _flat_share(files: list[Path]) -> float:
    """Share of their pixels that have one of the two most frequent colours of its file."""
    step = max(1, len(files) // _SAMPLES)
    shares = [share for path in files[::step][:_SAMPLES] if (share := _share_of(path)) is not None]
    return float(np.median(shares)) if shares else 0.0


def _share_of(path: Path) -> float | None:
    if path.suffix.lower() in ARRAY_SUFFIXES:
        return 1.0  # an image is no array: docs of --dataset-path
    try:
        with path.open("rb") as file, Image.open(file) as picture:
            picture.draft("RGB", (_SIDE, _SIDE))
            small = picture.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
    except Exception:  # a damaged file says nothing here; who reads it later names it
        return None
    pixels = np.asarray(small).reshape(-1, 3).astype(np.int64) // 8  # a codec's noise
    _, counts = np.unique(pixels @ (1 << 16, 1 << 8, 1), return_counts=True)
    return float(np.sort(counts)[-2:].sum() / counts.sum())


def _told(files: Iterable[Path], masks: Iterable[Path]) -> Beside | None:
    taken = set(masks)
    # arrays are masks alone
    rest = [p for p in files if p not in taken and p.suffix.lower() not in ARRAY_SUFFIXES]
    if not taken or not rest:
        return None
    return Beside({_stem(p): p for p in rest}, {_stem(p): p for p in sorted(taken)})


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
        _folders_by_words(children, _IMAGE_WORDS, _MASK_WORDS)
        or _folders_by_words(children, _MORE_IMAGE_WORDS, MASK_FOLDER_WORDS)
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


def _folders_by_words(
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
