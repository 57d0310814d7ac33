import math
from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from decamo.report.svg_parts import AxisScale, decimal_ticks, fit, label, log_ticks, whole_ticks

NUMBERS = st.floats(-1e9, 1e9, allow_subnormal=False)
POSITIVE = st.floats(1e-9, 1e9)


@given(NUMBERS, NUMBERS, st.integers(3, 12))
def test_ticks_are_round_few_and_within(low: float, high: float, most: int) -> None:
    assume(high - low > 1e-6 * max(abs(low), abs(high), 1e-3))
    ticks = decimal_ticks(low, high, most)
    room = 1e-6 * (high - low)
    assert 1 <= len(ticks) <= most
    assert all(low - room <= t <= high + room for t in ticks)
    if len(ticks) > 1:
        step = ticks[1] - ticks[0]
        mantissa = step / 10 ** math.floor(math.log10(step * (1 + 1e-6)))
        assert any(mantissa == pytest.approx(m, rel=1e-4) for m in (1, 2, 5))
        for a, b in pairwise(ticks):
            assert b - a == pytest.approx(step, rel=1e-4)


@pytest.mark.parametrize(
    ("low", "high", "most", "ticks"),
    [
        (0, 1, 6, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.33, 0.74, 6, [0.4, 0.5, 0.6, 0.7]),
        (0, 42, 6, [0, 10, 20, 30, 40]),
        (-1, 1, 5, [-1, -0.5, 0, 0.5, 1]),
        (1e-5, 3e-5, 4, [1e-5, 2e-5, 3e-5]),
    ],
)
def test_ticks_by_hand(low: float, high: float, most: int, ticks: list[float]) -> None:
    assert decimal_ticks(low, high, most) == ticks


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(3, 12))
def test_epochs_are_whole(first: int, last: int, most: int) -> None:
    assume(first <= last)
    ticks = whole_ticks(first - 0.5, last + 0.5, most)
    assert 1 <= len(ticks) <= most
    assert all(t == int(t) and first <= t <= last for t in ticks)


@given(POSITIVE, st.floats(1.3, 1e12), st.integers(3, 12))
def test_log_ticks_are_round_few_and_within(low: float, ratio: float, most: int) -> None:
    ticks = log_ticks(low, low * ratio, most)
    assert 1 <= len(ticks) <= most
    assert ticks == sorted(set(ticks))
    assert all(low * (1 - 1e-6) <= t <= low * ratio * (1 + 1e-6) for t in ticks)


def test_log_ticks_by_hand() -> None:
    assert log_ticks(8e-5, 3e-4, 6) == [1e-4, 2e-4]
    assert log_ticks(1e-6, 1e-3, 6) == [1e-6, 1e-5, 1e-4, 1e-3]
    assert log_ticks(1e-9, 1e3, 5) == [1e-9, 1e-6, 1e-3, 1e0, 1e3]


@given(st.lists(NUMBERS, min_size=2, max_size=9, unique=True), st.booleans())
def test_places_keep_order_and_range(values: list[float], log: bool) -> None:
    known = [abs(v) + 1e-6 for v in values] if log else values
    low, high = fit(known, log=log)
    scale = AxisScale(low, high, 200, 10, log)
    places = [scale.at(v) for v in sorted(known)]
    assert all(10 <= p <= 200 for p in places)
    assert all(a >= b for a, b in pairwise(places))
    assert scale.at(high + 1) == pytest.approx(10)
    assert scale.at(low) == pytest.approx(200)


def test_a_log_scale_shows_ratios() -> None:
    scale = AxisScale(1e-5, 1e-3, 0, 100, log=True)
    assert scale.at(1e-4) == pytest.approx(50)


@example([5e-324], True)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=6), st.booleans())
def test_any_values_have_a_domain(values: list[float], log: bool) -> None:
    values = [max(min(v, 1e300), -1e300) if math.isfinite(v) else v for v in values]
    low, high = fit(values, log=log)
    assert low < high
    assert low > 0 or not log


@pytest.mark.parametrize("values", [[], [math.nan], [0.0], [3.0], [-2.0, -2.0], [1e-300]])
def test_one_value_or_none_has_a_domain_around_it(values: list[float]) -> None:
    low, high = fit(values)
    assert low < high
    assert all(low < v < high for v in values if math.isfinite(v))
    assert fit(values, zero=True)[0] == 0.0


@pytest.mark.parametrize(
    ("value", "ticks", "text"),
    [
        (0.2, [0.0, 0.2, 0.4], "0.2"),
        (0.0, [0.0, 0.2], "0"),
        (0.25, [0.25, 0.3, 0.35], "0.25"),
        (120, [110, 120], "120"),
        (-1.5, [-1.5, -1.0], "\N{MINUS SIGN}1.5"),
        (1e-4, [1e-5, 1e-4], "1e\N{MINUS SIGN}4"),
        (3e-6, [3e-6, 1e-5], "3e\N{MINUS SIGN}6"),
        (2500000, [2000000, 2500000], "2.5e6"),
        (0.01, [0.001, 0.01, 0.1], "0.01"),
    ],
)
def test_labels_by_hand(value: float, ticks: list[float], text: str) -> None:
    assert label(value, ticks) == text


@given(NUMBERS, st.floats(1e-3, 1e6), st.integers(3, 8))
def test_labels_tell_ticks_apart(low: float, width: float, most: int) -> None:
    assume(width > 1e-3 * abs(low))
    ticks = decimal_ticks(low, low + width, most)
    labels = [label(t, ticks) for t in ticks]
    assert len(set(labels)) == len(labels)
