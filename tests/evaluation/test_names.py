from pathlib import Path

import pytest

from decamo.errors import SettingsError
from decamo.evaluation import method_names, named_path


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [("maps", "", "maps"), ("A=maps", "A", "maps"), ("a/b=c", "", "a/b=c"), ("A=x/y", "A", "x/y")],
)
def test_a_name_stands_before_the_path(text: str, name: str, path: str) -> None:
    assert named_path(text) == (name, Path(path))


def test_a_path_that_exists_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a=b").mkdir()
    monkeypatch.chdir(tmp_path)
    assert named_path("a=b") == ("", Path("a=b"))


def test_like_stems_take_their_folder_in_and_alike_ones_are_refused() -> None:
    assert method_names([("", Path("x/best.pth")), ("", Path("y/best.pth"))]) == [
        "x/best",
        "y/best",
    ]
    assert method_names([("A", Path("x/best.pth")), ("", Path("y/best.pth"))]) == ["A", "best"]
    with pytest.raises(SettingsError, match="NAME=PATH"):
        method_names([("A", Path("x")), ("A", Path("y"))])
