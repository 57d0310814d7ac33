import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decamo.diagnosis.growth import expit, forms, logit, spreads
from decamo.diagnosis.noise import Array

EPOCHS: Array = np.arange(3, 43, dtype=np.float64)
RATES = np.linspace(1e-3, 1e-5, 40)
FAMILIES = {"flat", "power", "exponential", "halted", "log"}


def test_without_rates_only_time_counts() -> None:
    assert {form.family for form in forms(EPOCHS, 20, None)} == FAMILIES


def test_with_moving_rates_what_is_spent_and_annealed_counts_too() -> None:
    assert {f.family for f in forms(EPOCHS, 20, RATES)} == FAMILIES | {"spent", "annealed"}


def test_a_constant_rate_anneals_nothing_and_is_spent_as_time_passes() -> None:
    found = list(forms(EPOCHS, 20, np.full(40, 1e-3)))
    assert {f.family for f in found} == FAMILIES | {"spent"}
    by_time = [f.columns for f in found if f.family == "exponential"]
    by_rate = [f.columns for f in found if f.family == "spent"]
    for one, other in zip(by_time, by_rate, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_each_form_is_0_at_first_and_1_now_and_never_falls() -> None:
    for form in forms(EPOCHS, 20, RATES):
        assert form.columns.shape == (40, len(form.scales))
        if form.scales:
            assert form.columns[0, 0] == 0
            assert form.columns[19, 0] == pytest.approx(1)
            assert (np.diff(form.columns[:, 0]) >= 0).all()


def test_what_is_halted_stays_and_what_is_annealed_ends_at_1() -> None:
    for form in forms(EPOCHS, 20, RATES):
        if form.family == "halted":
            ends = form.columns[30:, 0]  # half a span later at most
            np.testing.assert_allclose(ends, ends[0])
        if form.family == "annealed":
            assert form.columns[0, 1] == 0
            assert form.columns[-1, 1] == pytest.approx(0.99)


def test_time_is_relative() -> None:
    for one, other in zip(forms(EPOCHS, 20, None), forms(EPOCHS + 100, 20, None), strict=True):
        np.testing.assert_allclose(one.columns, other.columns)


def test_noise_follows_a_rate_only_where_there_is_one_that_moves() -> None:
    assert all((s.size == 1).all() for s in spreads(None, 40))
    assert all((s.size == 1).all() for s in spreads(np.full(40, 0.1), 40))
    for spread in spreads(RATES, 40):
        assert spread.size[0] == 1
        assert spread.size[20] == pytest.approx((RATES[20] / RATES[0]) ** 0.5)
        assert spread.size[-1] == pytest.approx(0.02**0.5)


@given(st.floats(0, 1))
def test_the_logit_keeps_scores_within_its_edges(score: float) -> None:
    back = float(expit(logit(np.array(score))))
    assert back == pytest.approx(min(max(score, 0.005), 0.995), abs=1e-12)
