"""Which group an image belongs to: by class, sub class, size of the object, or contrast."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from decamo.data.pairs import classes_of
from decamo.evaluation.measuring import ImageResult

__all__ = ["GROUPINGS", "grouped"]

_Result = TypeVar("_Result", bound=ImageResult)

OTHER = "(no class in the name)"
# Shares of the image, as in the stratified hold-out (5 % is COD10K's median, 20 % about its top
# tenth); below 1 % lie the objects that methods lose whole.
_SIZES = ((0.01, "under 1 %"), (0.05, "1 to 5 %"), (0.20, "5 to 20 %"), (1.01, "20 % and more"))
# CIE76 units; about 2.3 is just noticeable, about 10 is plain at a glance.
_CONTRASTS = ((5.0, "under 5"), (10.0, "5 to 10"), (20.0, "10 to 20"), (1e9, "20 and more"))


def grouped(results: Sequence[_Result], by: str) -> dict[str, list[_Result]]:
    """Results by group, in the order of sizes or of names.

    Args:
        results: scored images.
        by: one of ``GROUPINGS``. Images of unknown contrast form no group.
    """
    name = GROUPINGS[by]
    groups: dict[str, list[_Result]] = {}
    for result in results:
        group = name(result)
        if group is not None:
            groups.setdefault(group, []).append(result)
    ranked = {label: rank for bins in (_SIZES, _CONTRASTS) for rank, (_, label) in enumerate(bins)}
    ordered = sorted(groups, key=lambda g: (ranked.get(g, 0), g))
    return {group: groups[group] for group in ordered}


def _size(result: ImageResult) -> str:
    if result.foreground == 0:
        return "empty mask"
    return next(label for edge, label in _SIZES if result.foreground < edge)


def _contrast(result: ImageResult) -> str | None:
    if result.contrast is None:
        return None
    return next(label for edge, label in _CONTRASTS if result.contrast < edge)


GROUPINGS: dict[str, Callable[[ImageResult], str | None]] = {
    "class": lambda result: classes_of(result.stem)[0] or OTHER,
    "subclass": lambda result: classes_of(result.stem)[1] or OTHER,
    "size": _size,
    "contrast": _contrast,
}
