import pytest

from decamo.diagnosis.rates import rounded, told


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.0003 * 2 / 3, "0.0002"), (0.000666, "0.00067"), (1.3e-5, "0.000013"), (0.01, "0.01")],
)
def test_two_digits_and_no_exponent(rate: float, text: str) -> None:
    assert told(rate) == text
    assert rounded(rate) == float(text)
