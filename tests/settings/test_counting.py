"""One of a kind is told as one."""

import pytest

from decamo.settings.words import counted, verb


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 images are"), (1, "1 image is"), (2, "2 images are"), (1000, "1000 images are")],
)
def test_a_count_and_its_verb(count: int, words: str) -> None:
    assert f"{counted(count, 'image')} {verb(count)}" == words


def test_other_plurals() -> None:
    assert [counted(n, "child", "children") for n in (1, 2)] == ["1 child", "2 children"]
    assert [verb(n, "has", "have") for n in (0, 1)] == ["have", "has"]
