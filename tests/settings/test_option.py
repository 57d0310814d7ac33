import math
from dataclasses import dataclass, fields

import pytest

from decamo.errors import SettingsError
from decamo.settings.option import Option, at_least, flag_of, one_of, option, shown, within


def test_option_makes_a_field_that_carries_what_the_command_line_needs() -> None:
    @dataclass(frozen=True)
    class Some:
        size: int = option(3, "how large", unit="px")

    (field,) = fields(Some)
    assert field.metadata["option"] == Option("how large", "px", ())
    assert Some().size == 3


def test_flag_of_has_dashes() -> None:
    assert flag_of("stage2_batch_size") == "--stage2-batch-size"


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_within_takes_its_borders(value: float) -> None:
    within("x", value, 0, 1)


@pytest.mark.parametrize("value", [-1e-9, 1.0000001, math.nan, math.inf, -math.inf])
def test_within_refuses_what_is_outside(value: float) -> None:
    with pytest.raises(SettingsError, match=r"^--some-rate: got .*; give a number from 0 to 1$"):
        within("some_rate", value, 0, 1)


@pytest.mark.parametrize("value", [0.999, -5, math.nan, math.inf, -math.inf])
def test_at_least_refuses_less_and_what_is_no_number(value: float) -> None:
    with pytest.raises(SettingsError, match=r"^--n: got .*; give a number of at least 1$"):
        at_least("n", value, 1)


def test_at_least_takes_its_border() -> None:
    at_least("n", 1, 1)


def test_remedy_can_be_said_better() -> None:
    with pytest.raises(SettingsError, match=r"; sleep$"):
        within("n", 2, 0, 1, "sleep")
    with pytest.raises(SettingsError, match=r"; sleep$"):
        at_least("n", 0, 1, "sleep")


def test_large_whole_numbers_are_shown_whole() -> None:
    # As floats both ends would read 9.22337e+18.
    with pytest.raises(SettingsError, match=f"got {2**63}; give a number from 0 to {2**63 - 1}"):
        within("seed", 2**63, 0, 2**63 - 1)


def test_whole_numbers_beyond_every_float_are_refused_too() -> None:
    with pytest.raises(SettingsError, match="--seed"):
        within("seed", 10**400, 0, 2**63 - 1)


def test_one_of_lists_the_choices() -> None:
    one_of("scheduler", "cosine", ("cosine", "none"))
    with pytest.raises(SettingsError, match="--scheduler: got 'linear'; choose from cosine, none"):
        one_of("scheduler", "linear", ("cosine", "none"))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.00005, "0.00005"),
        (2.0, "2"),
        (0.1, "0.1"),
        (True, "on"),
        (False, "off"),
        (7, "7"),
        ("x", "x"),
        (1e-12, "0.000000000001"),
        (1e6, "1000000"),
        (float("nan"), "nan"),
    ],
)
def test_values_are_shown_as_they_would_be_typed(value: object, words: str) -> None:
    assert shown(value) == words
