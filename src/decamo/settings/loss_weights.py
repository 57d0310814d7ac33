"""Weights of the loss's terms, as words: ``bce=0 boundary=0.25``."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from decamo.errors import SettingsError

__all__ = ["DEFAULT_LOSS_WEIGHTS", "loss_weights_of"]

# bce and iou: 1 each, as in F3Net. boundary: half of either, since an outline says nothing of
# which side is inside. side: below the main output, on which alone a user relies. balance: small
# enough to break ties only, 0.01 as in Switch Transformers. teacher: as much as bce. auxiliary: a
# loss that the network returns, weighed by whoever wrote it.
DEFAULT_LOSS_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "bce": 1.0,
        "iou": 1.0,
        "boundary": 0.5,
        "side": 0.4,
        "balance": 0.01,
        "teacher": 1.0,
        "auxiliary": 1.0,
    }
)
"""Term of the loss -> its weight where nothing else is said."""

_REMEDY = f"give TERM=WEIGHT, such as bce=0; the terms are {', '.join(DEFAULT_LOSS_WEIGHTS)}"


def loss_weights_of(words: Sequence[str]) -> dict[str, float]:
    """Term -> weight, of those that the words name.

    Args:
        words: each ``TERM=WEIGHT``.

    Raises:
        SettingsError: a word is none of these, its weight is no number of at least 0, a term is
            named twice, or no term of the masks is left.
    """
    found: dict[str, float] = {}
    for word in words:
        term, _, number = word.partition("=")
        if term not in DEFAULT_LOSS_WEIGHTS or term in found:
            why = "twice" if term in found else f"{term!r} is no term"
            raise SettingsError("--loss-weights", f"got {word!r} ({why})", _REMEDY)
        found[term] = _weight(word, number)
    every = {**DEFAULT_LOSS_WEIGHTS, **found}
    if not (every["bce"] or every["iou"]):
        raise SettingsError(
            "--loss-weights",
            "got 0 for both bce and iou, so that nothing says what is object",
            "leave one of them above 0",
        )
    return found


def _weight(word: str, number: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise SettingsError("--loss-weights", f"got {word!r}", _REMEDY)
    return weight
