"""Names of images and masks, matched: equal, or different by one rule for all."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from decamo.data.stem_files import StemFiles, StemPairs, sides_of_each

__all__ = [
    "Pairing",
    "pair_up",
]

_MASK_WORDS = frozenset(
    [
        "mask",
        "masks",
        "gt",
        "label",
        "labels",
        "groundtruth",
        "annotation",
        "anno",
        "seg",
        "segmentation",
        "matte",
        "alpha",
    ]
)
# Words that say what a file is and not which: 104_sat.jpg and 104_mask.png, img_1 and gt_1
_ROLES = _MASK_WORDS | {
    "image",
    "img",
    "im",
    "photo",
    "photograph",
    "rgb",
    "sat",
    "orig",
    "original",
    "input",
    "frame",
    "object",
    "target",
}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_LETTERS = re.compile(r"[^\W\d_]*$")
_MOST_LEFT = 0.5  # of the images without a mask of their very name: from here on, names differ
_ENOUGH = 0.9  # of those images a rule must match; the rest may lack their mask


@dataclass(frozen=True)
class Pairing:
    """Image stems, each with the stem of its mask.

    Attributes:
        masks: image stem -> mask stem, in the order of the first.
        note: how the names differ, for people; empty where they do not.
    """

    masks: StemPairs
    note: str = ""


def pair_up(images: Iterable[str], masks: Iterable[str], mask_suffix: str = "") -> Pairing:
    """Which mask belongs to which image, by their stems.

    Equal stems match. Where that leaves half of the images or more alone, the names of masks may
    differ by one rule for all: by the case of letters, by folders that only one side has, by words
    that say what a file is (``104_sat`` and ``104_mask``), by an ending or a beginning, or by one
    on either side (``21_training`` and ``21_manual1``). A rule counts if it matches nine in ten of
    the images or of the masks that are left, and never two with one.

    Args:
        images: stems, or relative paths without extension.
        masks: likewise.
        mask_suffix: what each mask's stem has behind its image's; then no other rule is tried.
    """
    left, right = _in_order(images), _in_order(masks)
    if mask_suffix:
        ends = {m.removesuffix(mask_suffix): m for m in right if m.endswith(mask_suffix)}
        return Pairing(StemPairs({stem: ends[stem] for stem in left if stem in ends}))
    both, alone, spare = 0, 0, 0
    for _, is_image, is_mask in sides_of_each(left, right):
        both += is_image and is_mask
        alone += not is_mask
        spare += not is_image
    if not alone or not spare or alone < _MOST_LEFT * (both + alone):
        return Pairing(StemPairs.equal(s for s, a, b in sides_of_each(left, right) if a and b))
    equal = {stem: stem for stem, a, b in sides_of_each(left, right) if a and b}
    lone = {stem for stem, _, is_mask in sides_of_each(left, right) if not is_mask}
    free = {stem for stem, is_image, _ in sides_of_each(left, right) if not is_image}
    for rule in _rules(lone, free):
        found = _by_key(lone, free, rule)
        if found and len(found) >= _ENOUGH * min(len(lone), len(free)):
            stem = min(found)
            return Pairing(StemPairs(equal | found), _difference(stem, found[stem]))
    return Pairing(StemPairs(equal))


def _in_order(stems: Iterable[str]) -> Iterable[str]:
    return stems if isinstance(stems, StemFiles) else sorted(set(stems))


def _difference(image: str, mask: str) -> str:
    """How a mask's name differs from its image's, by an example."""
    if mask != image and mask.startswith(image):
        how = f"names of masks end in {mask[len(image) :]}"
    elif mask != image and mask.endswith(image):
        how = f"names of masks begin with {mask[: -len(image)]}"
    elif mask.casefold() == image.casefold():
        how = "names of masks differ in the case of letters"
    elif mask.rpartition("/")[2] == image.rpartition("/")[2]:
        how = "masks lie in other folders than their images"
    else:
        how = "masks are named otherwise than images"
    return f"{how}, such as {mask} for {image}"


Key = Callable[[str, bool], str | None]


def _rules(lone: set[str], free: set[str]) -> list[Key]:
    """Ways to make one key of an image's and a mask's stem, the least daring first."""
    rules: list[Key] = [
        lambda stem, _: stem.casefold(),
        lambda stem, _: stem.rpartition("/")[2],
        lambda stem, _: _without_roles(stem),
    ]
    if affix := _affix(lone, free):
        rules.append(_stripping(("", ""), affix))
    if affix := _affix(free, lone):
        rules.append(_stripping(affix, ("", "")))
    rules.append(_stripping(_common(lone), _common(free)))
    return rules


def _by_key(lone: set[str], free: set[str], key: Key) -> dict[str, str]:
    """Pairs of one key; a key that several files of one side have pairs nobody."""
    sides: list[dict[str, list[str]]] = []
    for stems, is_mask in ((lone, False), (free, True)):
        found: dict[str, list[str]] = defaultdict(list)
        for stem in stems:
            if name := key(stem, is_mask):
                found[name].append(stem)
        sides.append(found)
    left, right = sides
    return {
        left[name][0]: right[name][0]
        for name in left.keys() & right.keys()
        if len(left[name]) == len(right[name]) == 1
    }


def _without_roles(stem: str) -> str | None:
    """The words of a name that say which file it is; numbers count, not how they are padded."""
    folder, _, name = stem.rpartition("/")
    words = [word.casefold() for word in _WORDS.findall(name)]
    kept = [word.lstrip("0") or "0" if word.isdigit() else word for word in words]
    kept = [word for word in kept if word not in _ROLES]
    return "/".join((folder, "-".join(kept))) if kept else None


def _stripping(images: tuple[str, str], masks: tuple[str, str]) -> Key:
    """What is left of a name without what all names of its kind begin with and end in."""

    def key(stem: str, is_mask: bool) -> str | None:
        before, after = masks if is_mask else images
        if not stem.startswith(before) or not stem.endswith(after):
            return None
        return stem[len(before) : len(stem) - len(after)] or None

    return key


def _affix(short: set[str], long: set[str]) -> tuple[str, str] | None:
    """What most of the longer names have before or behind one of the shorter."""
    counts: Counter[tuple[str, str]] = Counter()
    for name in long:
        for at in range(1, len(name)):
            if name[:at] in short and _joins(name[at - 1], name[at:], behind=True):
                counts["", name[at:]] += 1
            if name[at:] in short and _joins(name[at], name[:at], behind=False):
                counts[name[:at], ""] += 1
    if not counts:
        return None
    ranked = counts.most_common()
    if len(ranked) > 1 and ranked[1][1] == ranked[0][1]:
        known = [a for a, n in ranked if n == ranked[0][1] and _is_mask_word("".join(a))]
        return known[0] if len(known) == 1 else None
    return ranked[0][0]


def _joins(edge: str, affix: str, *, behind: bool) -> bool:
    """Whether a name and what is added to it are told apart: 1 and 10 are two numbers."""
    other = affix[0] if behind else affix[-1]
    if edge.isdigit() and other.isdigit():
        return False
    glued = edge.isalpha() and other.isalpha() and edge.islower() == other.islower()
    return not glued or _is_mask_word(affix)


def _is_mask_word(affix: str) -> bool:
    return any(word.casefold() in _MASK_WORDS for word in _WORDS.findall(affix))


def _common(stems: set[str]) -> tuple[str, str]:
    """What all names begin with and end in, as far as whole words and no numbers go."""
    before = _begin(stems)
    rest = {stem[len(before) :][::-1] for stem in stems}
    return before, _begin(rest)[::-1]


def _begin(stems: set[str]) -> str:
    first, last = min(stems), max(stems)
    size = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    begin = first[:size].rstrip("0123456789")
    if any(stem[len(begin) :][:1].isalpha() for stem in stems):
        begin = begin[: len(begin) - len(_LETTERS.search(begin)[0])]  # type: ignore[index]
    return begin
