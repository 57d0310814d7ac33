from pathlib import Path

import pytest

from decamo.data.pairs import Pair, classes_of


def pair(stem: str) -> Pair:
    return Pair(Path("i.jpg"), Path("m.png"), stem, "COD10K-v3", "train")


def test_key_is_data_set_and_stem() -> None:
    assert pair("a").key == "COD10K-v3/a"


@pytest.mark.parametrize(
    ("stem", "noncam", "super_class"),
    [
        ("COD10K-CAM-1-Aquatic-1-BatFish-2", False, "Aquatic"),
        ("COD10K-CAM-4-Amphibian-67-Frog-4693", False, "Amphibian"),
        ("COD10K-NonCAM-5-Background-1-Sky-12", True, "Background"),
        ("camourflage_00004", False, ""),
        ("my-COD10K-NonCAM-1", False, ""),
    ],
)
def test_what_a_name_of_cod10k_says(stem: str, noncam: bool, super_class: str) -> None:
    assert pair(stem).noncam_by_name is noncam
    assert pair(stem).super_class == super_class


@pytest.mark.parametrize(
    ("stem", "classes"),
    [
        ("COD10K-CAM-1-Aquatic-3-Crab-12", ("Aquatic", "Crab")),
        ("COD10K-CAM-2-Terrestrial-24-Caterpillar-1644", ("Terrestrial", "Caterpillar")),
        ("COD10K-NonCAM-1-Aquatic-3-BatFish-2", ("Aquatic", "BatFish")),
        ("COD10K-CAM-1-Aquatic-3", ("Aquatic", "")),
        ("camourflage_00012", ("", "")),
    ],
)
def test_classes_stand_in_the_name(stem: str, classes: tuple[str, str]) -> None:
    assert classes_of(stem) == classes
