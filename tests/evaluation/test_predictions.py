from pathlib import Path

import cv2
import numpy as np
import pytest

from decamo.data.pairs import Pair
from decamo.errors import DataError
from decamo.evaluation import (
    CaseSet,
    Convention,
    NonCam,
    fitted,
    match_maps,
    sets_of_masks,
    sets_of_pairs,
)
from tests.evaluation.conftest import Grey, write_greys


@pytest.fixture
def cases(tmp_path: Path, masks: dict[str, Grey]) -> CaseSet:
    return sets_of_masks([("SET", write_greys(tmp_path / "GT", masks))])[0]


def test_maps_are_found_by_stem_and_extra_ones_listed(
    tmp_path: Path, cases: CaseSet, masks: dict[str, Grey]
) -> None:
    folder = write_greys(tmp_path / "maps", masks | {"stranger": next(iter(masks.values()))})
    found = match_maps("M", folder, cases, alone=True, missing="error", noncam=NonCam.DROP)
    assert [p.stem for p in found.maps if p] == [c.stem for c in cases.cases]
    assert [p.name for p in found.extra] == ["stranger.png"]


def test_a_missing_map_is_an_error_or_a_zero(
    tmp_path: Path, cases: CaseSet, masks: dict[str, Grey]
) -> None:
    lost = sorted(masks)[2]
    folder = write_greys(tmp_path / "maps", {k: v for k, v in masks.items() if k != lost})
    with pytest.raises(DataError, match=f"1 of 6 masks.*{lost}.*--missing zero"):
        match_maps("M", folder, cases, alone=True, missing="error", noncam=NonCam.DROP)
    found = match_maps("M", folder, cases, alone=True, missing="zero", noncam=NonCam.DROP)
    assert [p is None for p in found.maps] == [False, False, True, False, False, False]


def test_a_folder_of_other_names_is_an_error_even_with_zeros(
    tmp_path: Path, cases: CaseSet, masks: dict[str, Grey]
) -> None:
    folder = write_greys(tmp_path / "maps", {f"x{k}": v for k, v in masks.items()})
    with pytest.raises(DataError, match="6 of 6"):
        match_maps("M", folder, cases, alone=True, missing="zero", noncam=NonCam.DROP)


def test_no_map_is_asked_for_an_empty_mask_that_is_dropped(
    tmp_path: Path, masks: dict[str, Grey]
) -> None:
    truth = write_greys(tmp_path / "GT", masks | {"empty": np.zeros((4, 4), np.uint8)})
    (cases,) = sets_of_masks([("SET", truth)])
    folder = write_greys(tmp_path / "maps", masks)
    match_maps("M", folder, cases, alone=True, missing="error", noncam=NonCam.DROP)
    with pytest.raises(DataError, match="empty"):
        match_maps("M", folder, cases, alone=True, missing="error", noncam=NonCam.NEGATIVES)


def test_a_folder_for_each_set_is_taken_by_its_name(
    tmp_path: Path, cases: CaseSet, masks: dict[str, Grey]
) -> None:
    write_greys(tmp_path / "maps" / "set", masks)
    found = match_maps(
        "M", tmp_path / "maps", cases, alone=False, missing="error", noncam=NonCam.DROP
    )
    assert all(p and p.parent.name == "set" for p in found.maps)
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="no folder SET"):
        match_maps("M", tmp_path / "none", cases, alone=False, missing="error", noncam=NonCam.DROP)


def test_another_size_is_an_error_naming_both_or_resized() -> None:
    grey = np.full((10, 20), 77, np.uint8)
    with pytest.raises(DataError, match=r"a\.png: the map is 10 x 20.*b\.png is 5 x 8.*--resize"):
        fitted(grey, (5, 8), ("a.png", "b.png"), resize=False)
    small = fitted(grey, (5, 8), ("a.png", "b.png"), resize=True)
    assert small.shape == (5, 8)
    assert (small == 77).all()


def test_the_published_resize_is_opencv_s_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    sizes = [tuple(int(n) for n in rng.integers(1, 90, 4)) for _ in range(60)]
    sizes += [(2 * h, 2 * w, h, w) for h, w, *_ in sizes[:20]] + [(352, 352, 268, 400)]
    for height, width, new_height, new_width in sizes:
        grey = rng.integers(0, 256, (height, width), dtype=np.uint8)
        shape = new_height, new_width
        got = fitted(grey, shape, ("", ""), resize=True, convention=Convention.PUBLISHED)
        want = cv2.resize(grey, shape[::-1], interpolation=cv2.INTER_LINEAR)
        assert got.dtype == np.uint8
        assert np.array_equal(got, want.reshape(shape)), (grey.shape, shape)
        fine = fitted(grey / 255, shape, ("", ""), resize=True, convention=Convention.PUBLISHED)
        if (height, width) != (2 * new_height, 2 * new_width):
            assert np.abs(fine * 255 - want.reshape(shape)).max() <= 1


def _two_sets(root: Path, grey: Grey, inner: str) -> list[CaseSet]:
    """Two sets whose files have the same names."""
    pairs = []
    for name in ("a", "b"):
        images = write_greys(root / name / inner, {"x": grey, "y": grey})
        masks = write_greys(root / name / "GT", {"x": grey, "y": grey})
        pairs += [Pair(images / f"{s}.png", masks / f"{s}.png", s, name, "test") for s in "xy"]
    return sets_of_pairs(pairs)


@pytest.mark.parametrize("inner", ["", "Imgs", "Test/Image"])
@pytest.mark.parametrize("sets", [2, 1])
def test_maps_in_folders_like_those_of_the_images_are_found(
    tmp_path: Path, masks: dict[str, Grey], inner: str, sets: int
) -> None:
    """What ``decamo predict a b --out o`` writes, though stems are equal across the sets."""
    grey = next(iter(masks.values()))
    both = _two_sets(tmp_path / "data", grey, inner)
    out = tmp_path / "o"
    for name in ("a", "b"):
        write_greys(out / name / inner, {"x": grey, "y": grey, "x_overlay": grey})
    for cases in both[:sets]:
        found = match_maps(
            "M", out, cases, alone=sets == 1, missing="error", noncam=NonCam.NEGATIVES
        )
        where = out / cases.name / inner
        assert found.maps == (where / "x.png", where / "y.png")
        assert found.extra == (where / "x_overlay.png",)


def test_maps_of_images_of_one_stem_are_found_by_the_whole_name(
    tmp_path: Path, masks: dict[str, Grey]
) -> None:
    grey = next(iter(masks.values()))
    cases, _ = _two_sets(tmp_path / "data", grey, "Imgs")
    write_greys(tmp_path / "o/a/Imgs", {"x.png": grey, "y": grey})
    found = match_maps(
        "M", tmp_path / "o", cases, alone=True, missing="error", noncam=NonCam.NEGATIVES
    )
    assert [path.name for path in found.maps if path] == ["x.png.png", "y.png"]


def test_maps_of_another_set_are_not_taken_for_ones_own(
    tmp_path: Path, masks: dict[str, Grey]
) -> None:
    grey = next(iter(masks.values()))
    cases, _ = _two_sets(tmp_path / "data", grey, "Imgs")
    write_greys(tmp_path / "o/b/Imgs", {"x": grey, "y": grey})
    with pytest.raises(DataError, match="has no folder a with the maps of M"):
        match_maps("M", tmp_path / "o", cases, alone=False, missing="error", noncam=NonCam.DROP)
