from dataclasses import replace

from decamo import __version__
from decamo.evaluation import ImageResult, prints_of
from tests.evaluation.conftest import protocol_of


def test_prints_depend_on_names_and_masks_but_not_on_order(results: list[ImageResult]) -> None:
    names, masks = prints_of(results)
    assert prints_of(results[::-1]) == (names, masks)
    other = [replace(results[0], digest="0"), *results[1:]]
    assert prints_of(other)[0] == names
    assert prints_of(other)[1] != masks
    renamed = [replace(results[0], stem="z"), *results[1:]]
    assert prints_of(renamed)[0] != names


def test_the_version_is_told(results: list[ImageResult]) -> None:
    assert protocol_of(results).plain()["decamo"] == __version__
