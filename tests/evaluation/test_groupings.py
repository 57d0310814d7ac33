from dataclasses import replace

import pytest

from decamo.evaluation import ImageResult, grouped


def test_groups_part_the_images(results: list[ImageResult]) -> None:
    for by in ("class", "subclass", "size"):
        groups = grouped(results, by)
        assert sum(map(len, groups.values())) == len(results)
    assert set(grouped(results, "class")) == {"Aquatic", "Flying"}
    assert set(grouped(results, "subclass")) == {"Crab"}
    assert set(grouped([replace(results[0], stem="camourflage_1")], "class")) == {
        "(no class in the name)"
    }


@pytest.mark.parametrize(
    ("share", "name"),
    [(0, "empty mask"), (0.0099, "under 1 %"), (0.01, "1 to 5 %"), (0.05, "5 to 20 %"),
     (0.2, "20 % and more"), (1, "20 % and more")],
)  # fmt: skip
def test_sizes(results: list[ImageResult], share: float, name: str) -> None:
    assert list(grouped([replace(results[0], foreground=share)], "size")) == [name]


def test_unknown_contrast_forms_no_group_and_bins_are_in_order(results: list[ImageResult]) -> None:
    assert grouped(results, "contrast") == {}
    mixed = [replace(results[0], contrast=c) for c in (25.0, 1.0, 12.0)]
    assert list(grouped(mixed, "contrast")) == ["under 5", "10 to 20", "20 and more"]
