from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.errors import DataError
from decamo.inference.inputs import find_images
from decamo.inference.writer import write_probability

OUT = Path("out")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def places(*given: str) -> dict[str, str]:
    found = find_images([Path(one) for one in given], OUT)
    return {i.image.as_posix(): i.map.relative_to(OUT).as_posix() for i in found.items}


@pytest.mark.parametrize(
    ("given", "maps"),
    [
        (["p"], {"p/x.jpg": "x.png", "p/a/x.jpg": "a/x.png", "p/a/b/y.webp": "a/b/y.png"}),
        (["p/a"], {"p/a/x.jpg": "x.png", "p/a/b/y.webp": "b/y.png"}),
        (["p/x.jpg"], {"p/x.jpg": "x.png"}),
        (["p/x.jpg", "p/a/x.jpg"], {"p/x.jpg": "x.png", "p/a/x.jpg": "a/x.png"}),
        (["p/a", "q"], {"p/a/x.jpg": "p/a/x.png", "p/a/b/y.webp": "p/a/b/y.png",
                        "q/x.jpg": "q/x.png"}),
        (["p/x.jpg", "p/./x.jpg", "p/../p/x.jpg"], {"p/x.jpg": "x.png"}),
    ],
)  # fmt: skip
def test_folders_are_mirrored_below_the_innermost_that_holds_all(
    given: list[str], maps: dict[str, str]
) -> None:
    touch("p/x.jpg", "p/a/x.jpg", "p/a/b/y.webp", "q/x.jpg", "p/notes.txt", "p/.hidden/z.jpg")
    assert places(*given) == maps


@pytest.mark.parametrize(
    "names",
    [
        ["x.jpg", "x.png"],
        ["x.jpg", "X.JPG"],
        ["x.jpg", "x.png", "x.jpg.png"],
        ["x.png", "x_overlay.png"],
        ["x.png", "x_experts.png", "x_overlay.jpg", "x_overlay_overlay.jpg"],
        ["x_overlay.png", "x.jpg", "x.png", "x.png_overlay.png"],
        ["caf\u00e9.jpg", "cafe\u0301.jpg"],
        ["x.JPG", "x.jpg", "x.jpg-2.png"],
    ],
)
def test_no_two_pictures_have_one_name(names: list[str]) -> None:
    touch(*(f"p/{name}" for name in names))
    found = find_images([Path("p")], OUT)
    assert [i.image.name for i in found.items] == sorted(names)
    pictures = [p.name.casefold() for i in found.items for p in (i.map, i.overlay, i.sheet)]
    assert len(set(pictures)) == len(pictures) == 3 * len(names)
    assert found.renamed
    again = find_images([Path("p")], OUT)
    assert again == found


def test_equal_stems_both_go_by_their_whole_names() -> None:
    touch("p/x.jpg", "p/x.png", "p/y.png", "p/y_overlay.png")
    assert places("p") == {
        "p/x.jpg": "x.jpg.png", "p/x.png": "x.png.png",
        "p/y.png": "y.png", "p/y_overlay.png": "y_overlay.png.png",
    }  # fmt: skip


def test_links_are_followed_and_a_loop_ends() -> None:
    touch("elsewhere/x.jpg", "p/y.jpg")
    Path("p/link").symlink_to(Path("elsewhere").absolute())
    Path("p/self").symlink_to(Path("p").absolute())
    assert places("p") == {"p/link/x.jpg": "link/x.png", "p/y.jpg": "y.png"}


def test_earlier_maps_in_the_folder_of_images_are_not_read_but_photographs_are() -> None:
    touch("p/y.jpg")
    Path("p/out").mkdir()
    Image.new("L", (2, 2)).save("p/out/photo.png")
    for path in ("p/out/y.png", "p/elsewhere.png"):
        write_probability(Path(path), np.zeros((2, 2), np.float32))
    found = find_images([Path("p")], Path("p/out"))
    names = {i.image.name for i in found.items}
    assert names == {"y.jpg", "photo.png", "elsewhere.png"}


def test_what_is_no_image_is_counted() -> None:
    touch("p/x.jpg", "p/a.txt", "p/b.TXT", "p/a/c.mp4", "p/._x.jpg", "p/README")
    found = find_images([Path("p")], OUT)
    assert found.others == {".txt": 2, ".mp4": 1, ".jpg": 1, "": 1}
    assert found.left_out().startswith("5 other files left out: no images (2 .txt, ")
    assert find_images([Path("p/x.jpg")], OUT).left_out() == ""


def test_nothing_to_predict_is_told() -> None:
    touch("p/a.txt")
    with pytest.raises(DataError, match="no image in it; 1 other file left out"):
        find_images([Path("p")], OUT)
    with pytest.raises(DataError, match="no such file"):
        find_images([Path("q")], OUT)
