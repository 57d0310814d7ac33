import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.claims_words import (
    DEFINITIONS,
    FAILS,
    GAIN,
    HOLDS,
    IN_PART,
    LOSS,
    UNTOLD,
    word_of,
)

EXPECTED = (0.04, 0.07)


@pytest.mark.parametrize(
    ("low", "difference", "high", "word"),
    [
        (0.041, 0.05, 0.059, HOLDS),
        (0.001, 0.05, 0.1, HOLDS),
        (0.2, 0.3, 0.4, HOLDS),
        (0.001, 0.03, 0.06, IN_PART),
        (0.001, 0.02, 0.04, IN_PART),
        (0.001, 0.02, 0.0399, FAILS),
        (-0.01, 0.01, 0.03, FAILS),
        (-0.03, -0.02, -0.01, FAILS),
        (-0.01, 0.02, 0.05, UNTOLD),
        (0.0, 0.05, 0.1, UNTOLD),
        (-0.5, -0.1, 0.3, UNTOLD),
    ],
)
def test_words_of_what_is_expected(low: float, difference: float, high: float, word: str) -> None:
    assert word_of(difference, low, high, EXPECTED) == word


@pytest.mark.parametrize(
    ("low", "high", "word"), [(0.001, 0.01, GAIN), (-0.02, -0.01, LOSS), (-0.01, 0.01, UNTOLD)]
)
def test_words_where_nothing_is_expected(low: float, high: float, word: str) -> None:
    assert word_of((low + high) / 2, low, high, None) == word


@given(
    ends=st.tuples(*[st.floats(-1, 1)] * 3).map(sorted),
    expected=st.none() | st.tuples(st.floats(0.001, 1), st.floats(0.001, 1)),
)
def test_every_case_has_a_word_that_is_defined(
    ends: list[float], expected: tuple[float, float] | None
) -> None:
    low, difference, high = ends
    word = word_of(difference, low, high, expected)
    assert word in dict(DEFINITIONS)
    assert (word in (HOLDS, IN_PART, FAILS)) <= (expected is not None)
    if word in (HOLDS, IN_PART, GAIN):
        assert low > 0
    if word == UNTOLD:  # what it says of the interval: it contains 0, and of the expectation some
        assert low <= 0
        assert high >= (0 if expected is None else expected[0])
