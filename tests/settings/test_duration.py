import pytest
from hypothesis import given
from hypothesis import strategies as st

from decamo.errors import SettingsError
from decamo.settings.words import duration, seconds_of


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


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("11h30m", 41400),
        ("45m", 2700),
        ("90s", 90),
        ("1.5h", 5400),
        ("1d2h3m4s", 93784),
        ("2H 5M", 7500),
    ],
)
def test_what_people_write_is_read(text: str, seconds: float) -> None:
    assert seconds_of("budget", text) == seconds


@pytest.mark.parametrize("text", ["", "0m", "11:30", "30m11h", "5", "h", "-3h", "1h1h", "nan"])
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--budget: got .* 11h30m"):
        seconds_of("budget", text)


@given(st.integers(0, 5), st.integers(0, 23), st.integers(0, 59), st.integers(1, 59))
def test_all_units_add_up(d: int, h: int, m: int, s: int) -> None:
    assert seconds_of("budget", f"{d}d{h}h{m}m{s}s") == d * 86400 + h * 3600 + m * 60 + s
