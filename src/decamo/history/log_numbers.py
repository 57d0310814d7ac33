"""Numbers as logs write them: ``6.35e-1``, ``63.5%``, ``0,635``, ``nan``, ``tensor(0.635)``."""

import math
import re

__all__ = ["NUMBER", "number_of"]

# Separators within are judged by `number_of`; possessive, so that no text makes it slow.
NUMBER = (
    r"[-+]?(?:(?:\d++(?:[.,]\d++)*+\.?|\.\d++)(?:[eE][-+]?\d++)?+|(?i:nan|inf(?:inity)?))"
    r"(?![A-Za-z0-9_])"
)

_PLAIN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?i:nan|inf(?:inity)?)")
_COMMA = re.compile(r"([-+]?)(\d+),(\d+)((?:[eE][-+]?\d+)?)")


def number_of(text: str) -> float | None:
    """The number that a text is, or None if it is none or could be two.

    A comma counts as the decimal point unless it could separate thousands (``1,234``).
    An infinity becomes NaN: both say that something broke.
    """
    text = text.strip()
    match = _COMMA.fullmatch(text)
    if match and (match[2].strip("0") == "" or len(match[3]) != 3):
        text = f"{match[1]}{match[2]}.{match[3]}{match[4]}"
    if not _PLAIN.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else math.nan
