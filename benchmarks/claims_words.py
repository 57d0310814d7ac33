"""What a measured interval says of an expectation, in one word."""

__all__ = ["DEFINITIONS", "FAILS", "GAIN", "HOLDS", "IN_PART", "LOSS", "UNTOLD", "word_of"]

HOLDS = "holds"
IN_PART = "holds in part"
FAILS = "does not hold"
UNTOLD = "not told apart from 0"
GAIN = "a gain"
LOSS = "a loss"

DEFINITIONS = (
    (HOLDS, "the interval lies above 0, and the measured difference reaches what is expected at"
            " least"),
    (IN_PART, "the interval lies above 0 and reaches what is expected at least, but the measured"
              " difference does not"),
    (FAILS, "the whole interval lies below what is expected at least, whether it is a smaller gain,"
            " none or a loss"),
    (UNTOLD, "the interval reaches down to 0 or below, and, where something is expected, up to"
             " what is expected at least: this measurement cannot decide"),
    (GAIN, "nothing is expected, and the interval lies above 0"),
    (LOSS, "nothing is expected, and the interval lies below 0"),
)  # fmt: skip
"""Each word and when it is given; together they cover every case, and no two of them one."""


def word_of(
    difference: float, low: float, high: float, expected: tuple[float, float] | None
) -> str:
    """The word for a measurement.

    Args:
        difference: measured.
        low: lower end of its interval.
        high: upper end.
        expected: least and most that is expected, both above 0; None where nothing is.
    """
    if expected is None:
        return GAIN if low > 0 else LOSS if high < 0 else UNTOLD
    least = expected[0]
    if high < least:
        return FAILS
    if low <= 0:
        return UNTOLD
    return HOLDS if difference >= least else IN_PART
