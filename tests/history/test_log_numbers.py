import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decamo.history.log_names import NUMBER, number_of


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["r", "e", "f"]))
def test_what_python_prints_is_read_back(value: float, form: str) -> None:
    text = repr(value) if form == "r" else format(value, f".6{form}")
    match = re.match(NUMBER, text)
    assert match
    assert match[0] == text
    assert number_of(text) == float(text)


@given(st.integers(0, 9), st.integers(0, 9999))
def test_decimal_commas(whole: int, part: int) -> None:
    assert number_of(f"{whole},{part:04d}") == pytest.approx(whole + part / 10000)


def test_what_could_be_two_numbers_is_none() -> None:
    assert number_of("0,234") == 0.234
    assert number_of("1,234") is None  # a thousand?
    assert number_of("0.1,0.2") is None
    assert number_of("1.2.3") is None
    assert number_of("") is None
    assert number_of("-") is None


@pytest.mark.parametrize("word", ["nan", "NaN", "inf", "-inf", "Infinity", "1e999"])
def test_what_broke_is_not_a_number(word: str) -> None:
    value = number_of(word)
    assert value is not None
    assert math.isnan(value)


@pytest.mark.parametrize("text", ["5s", "3.2G", "1x", "12_3", "1e5f"])
def test_a_number_with_a_unit_is_not_taken_in_part(text: str) -> None:
    assert re.match(NUMBER, text) is None
