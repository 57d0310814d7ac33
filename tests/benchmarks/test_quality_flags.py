from pathlib import Path

import pytest

from benchmarks.quality_flags import add_terms, terms_of
from benchmarks.quality_terms import Terms
from decamo.errors import SettingsError
from decamo.flags import Parser
from decamo.inference.views import Views


def terms(*flags: str) -> Terms:
    parser = Parser("bench")
    add_terms(parser, work="runs/x")
    return terms_of(parser.parse(list(flags)))


def test_without_flags_they_are_the_protocols() -> None:
    assert terms() == Terms(())


def test_flags_become_terms() -> None:
    given = terms(
        *("--dataset-path", "a", "b", "--epochs", "3", "--img-size", "96", "--flips"),
        *("--scales", "0.5", "1", "--decide", "iou", "--backbone-weights", "w.pth"),
    )
    assert given.dataset_path == (Path("a"), Path("b"))
    assert (given.epochs, given.img_size, given.weights) == (3, 96, Path("w.pth"))
    assert (given.views, given.decision) == (Views(True, (0.5, 1.0)), "iou")


@pytest.mark.parametrize(
    ("flag", "value"),
    [("--seeds", 0), ("--epochs", 0), ("--rounds", -1), ("--img-size", 100), ("--img-size", 0)],
)
def test_what_cannot_be_meant_is_refused_by_its_flag(flag: str, value: int) -> None:
    with pytest.raises(SettingsError, match=rf"{flag}: got {value}"):
        terms(flag, str(value))
