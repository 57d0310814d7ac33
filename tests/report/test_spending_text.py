import pytest
from hypothesis import given
from hypothesis import strategies as st

from decamo.plan import Spending
from decamo.report import duration, spending_text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0s"),
        (59.4, "59s"),
        (59.9, "1m"),
        (60, "1m"),
        (3569, "59m"),
        (3599, "1h00m"),
        (3600, "1h00m"),
        (4210, "1h10m"),
        (86400, "24h00m"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@given(st.floats(0, 1e7))
def test_durations_are_right_to_half_their_last_unit(seconds: float) -> None:
    words = duration(seconds)
    if words.endswith("s"):
        back, unit = int(words[:-1]), 1
    else:
        hours, _, minutes = words.removesuffix("m").rpartition("h")
        back, unit = int(hours or 0) * 3600 + int(minutes) * 60, 60

    assert abs(back - seconds) <= unit / 2
    assert "60" not in words.split("h")[-1]


def test_table_multiplies_epochs_and_marks_the_unknown() -> None:
    rows = spending_text(
        [
            Spending(2, 34, 600.0, 3 * 2**30, "epochs 80 to 86"),
            Spending(3, 5, None, None, "unknown"),
        ]
    ).splitlines()

    assert rows[0].split() == [
        "stage",
        "epochs",
        "left",
        "an",
        "epoch",
        "in",
        "all",
        "memory",
        "from",
    ]
    assert rows[1].split()[:6] == ["2", "34", "10m", "5h40m", "3.00", "GiB"]
    assert rows[2].split() == ["3", "5", "?", "?", "?", "unknown"]


def test_without_any_number_it_says_how_to_get_one() -> None:
    assert "--measure" in spending_text([Spending(1, 3, None, None, "")])
