from pathlib import Path

import pytest

from decamo.data.finding import glimpse, sources_under


def folders(root: Path, *names: str) -> None:
    for name in names:
        (root / name).mkdir(parents=True)


def test_a_data_set_with_both_splits(tmp_path: Path) -> None:
    root = tmp_path / "COD10K-v3"
    folders(root, "Train/Image", "Train/GT_Object", "Train/GT_Edge", "Test/Image", "Test/GT_Object")
    found = sources_under(root)
    assert [(s.name, s.split, s.place) for s in found] == [
        ("COD10K-v3", "test", "Test/Image + Test/GT_Object"),
        ("COD10K-v3", "train", "Train/Image + Train/GT_Object"),
    ]


def test_case_and_punctuation_of_folders_do_not_matter(tmp_path: Path) -> None:
    folders(tmp_path, "set/IMGS", "set/gt-object")
    (source,) = sources_under(tmp_path)
    assert (source.name, source.split) == ("set", "")
    assert source.serves("train")
    assert source.serves("test")


@pytest.mark.parametrize("name", ["CHAMELEON", "nc4k"])
def test_sets_published_to_test_on_never_serve_training(tmp_path: Path, name: str) -> None:
    folders(tmp_path, f"{name}/Imgs", f"{name}/GT")
    (source,) = sources_under(tmp_path)
    assert not source.serves("train")
    assert source.serves("test")


def test_masks_shared_by_two_image_folders(tmp_path: Path) -> None:
    folders(tmp_path, "CAMO/Images/Train", "CAMO/Images/Test", "CAMO/GT")
    test, train = sources_under(tmp_path)
    assert (test.split, train.split) == ("test", "train")
    assert test.masks == train.masks
    assert test.sharing == (train.images,)


def test_the_search_is_bounded_in_depth(tmp_path: Path) -> None:
    folders(tmp_path, "a/b/c/Imgs", "a/b/c/GT", "a/b/c/d/Imgs", "a/b/c/d/GT")
    assert [s.home.name for s in sources_under(tmp_path)] == ["c"]


def test_links_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    folders(tmp_path, "set/Imgs", "set/GT")
    (tmp_path / "set" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert len(sources_under(tmp_path)) == 1


def test_a_glimpse_names_the_first_few(tmp_path: Path) -> None:
    folders(tmp_path, *(f"f{i}" for i in range(8)))
    assert glimpse(tmp_path) == "f0, f1, f2, f3, f4, f5 and 2 more"
    assert glimpse(tmp_path / "f0") == "nothing"
    assert "cannot be listed" in glimpse(tmp_path / "gone")


def test_a_link_to_itself_is_no_folder(tmp_path: Path) -> None:
    for name in ("Image", "GT"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ring.png").symlink_to("ring.png")
    assert len(sources_under(tmp_path)) == 1
