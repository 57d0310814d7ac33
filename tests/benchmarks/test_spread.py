import pytest

from benchmarks.spread import Spread


def test_quartiles_lie_between_the_values() -> None:
    assert Spread.of([4.0, 1.0, 2.0, 3.0]) == Spread(2.5, 1.75, 3.25)


@pytest.mark.parametrize("times", [1, 3])
def test_what_does_not_vary_has_no_spread(times: int) -> None:
    assert Spread.of([0.1] * times) == Spread(0.1, 0.1, 0.1)
