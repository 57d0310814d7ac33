from pathlib import Path

import pytest

from decamo.data.pairs import Pair
from decamo.errors import DataError
from decamo.evaluation import sets_of_masks, sets_of_pairs
from tests.evaluation.conftest import Grey, write_greys


def test_a_set_is_named_by_the_folder_that_says_something(
    tmp_path: Path, masks: dict[str, Grey]
) -> None:
    folder = write_greys(tmp_path / "CAMO" / "Test" / "GT", masks)
    (found,) = sets_of_masks([("", folder)])
    assert found.name == "CAMO"
    assert [c.stem for c in found.cases] == sorted(masks)
    assert all(c.pair is None for c in found.cases)
    (named,) = sets_of_masks([("mine", folder)], {sorted(masks)[0]: Path("photo.jpg")})
    assert named.name == "mine"
    assert named.cases[0].pair is not None
    assert named.cases[1].pair is None


def test_two_sets_of_one_name_a_missing_and_an_empty_folder_are_told(
    tmp_path: Path, masks: dict[str, Grey]
) -> None:
    folder = write_greys(tmp_path / "GT", masks)
    with pytest.raises(DataError, match="two sets"):
        sets_of_masks([("a", folder), ("a", folder)])
    with pytest.raises(DataError, match="not a folder"):
        sets_of_masks([("", tmp_path / "none")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no mask"):
        sets_of_masks([("", tmp_path / "empty")])


def test_pairs_are_grouped_by_data_set() -> None:
    pairs = [Pair(Path(s), Path(s), s, d, "test") for s, d in (("b", "X"), ("c", "Y"), ("a", "X"))]
    first, second = sets_of_pairs(pairs)
    assert (first.name, [c.stem for c in first.cases]) == ("X", ["a", "b"])
    assert (second.name, [c.stem for c in second.cases]) == ("Y", ["c"])
