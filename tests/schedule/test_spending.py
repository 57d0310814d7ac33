from dataclasses import FrozenInstanceError

import pytest

from decamo.schedule import Spending


def test_it_is_a_value() -> None:
    spending = Spending(2, 34, 120.0, None, "the last 5 epochs")
    assert spending == Spending(2, 34, 120.0, None, "the last 5 epochs")
    with pytest.raises(FrozenInstanceError):
        spending.epochs = 3  # type: ignore[misc]
