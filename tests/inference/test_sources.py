import os
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from decamo.data.reading import read_image
from decamo.errors import DataError, DecamoError
from decamo.inference.inputs import find_images
from decamo.inference.sources import read_sources


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("p/x.jpg", "p/a/x.jpg", "p/a/y.png", "q/x.jpg", "p/[1].jpg"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3), (9, 9, 9)).save(name)


def typed(*words: str, given: bytes = b"") -> list[str]:
    return [path.as_posix() for path in read_sources(words, lambda: given).paths]


def test_patterns_are_looked_up_and_names_that_exist_are_no_patterns() -> None:
    assert typed("p/**/x.jpg") == ["p/a/x.jpg", "p/x.jpg"]
    assert typed("p/[1].jpg") == ["p/[1].jpg"]
    with pytest.raises(DataError, match="no file fits this pattern"):
        typed("p/*.tif")


def test_lists_come_from_a_file_and_from_standard_input() -> None:
    Path("list.txt").write_bytes(b"\xef\xbb\xbfp/x.jpg\r\n\r\nq\n")
    assert typed("@list.txt", "p/a/y.png") == ["p/x.jpg", "q", "p/a/y.png"]
    assert typed("-", given=b"p/a\np/x.jpg\n") == ["p/a", "p/x.jpg"]
    odd = os.fsencode("p") + b"/\xe9.jpg"
    Path("p/x.jpg").rename(os.fsdecode(odd))
    assert typed("-", given=odd) == [os.fsdecode(odd)]


@pytest.mark.parametrize(
    ("word", "content", "said"),
    [
        ("@list.txt", b"q\nhttps://a.example/x.jpg\n", "line 2 of list.txt: a URL"),
        ("@list.txt", b"q\nnowhere.jpg\n", "line 2 of list.txt: no such file: nowhere.jpg"),
        ("@list.txt", b"\n", "list.txt: this list is empty"),
        ("@list.txt", b"\xff\xd8\0\1", "list.txt: this is no list of paths"),
        ("@none.txt", b"", "none.txt: this list cannot be read"),
        ("-", b"s3://bucket/x.jpg", "line 1 of standard input: a URL"),
        ("http://a.example/x.jpg", b"", "a URL, and nothing is downloaded"),
        ("nowhere", b"", "nowhere: no such file"),
        ("camera:", b"", "its number is missing"),
    ],
)
def test_what_cannot_be_meant_is_a_line(word: str, content: bytes, said: str) -> None:
    Path("list.txt").write_bytes(content)
    with pytest.raises(DecamoError) as raised:
        read_sources([word], lambda: content)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_camera_is_given_alone() -> None:
    assert read_sources(["camera:2"], lambda: b"").camera == 2
    with pytest.raises(DecamoError, match="give it alone"):
        read_sources(["camera:0", "p"], lambda: b"")


def test_a_zip_is_a_folder_that_is_not_unpacked() -> None:
    with zipfile.ZipFile("set.zip", "w") as archive:
        for name in ("x.jpg", "a/x.jpg", "a/y.png"):
            archive.write(Path("p") / name, name)
        archive.writestr("a/notes.txt", "x")
    before = sorted(Path().rglob("*"))
    found = find_images(read_sources(["set.zip"], lambda: b"").paths, Path("out"))
    maps = {i.image.as_posix(): i.map.as_posix() for i in found.items}
    assert maps == {
        "set.zip/x.jpg": "out/x.png",
        "set.zip/a/x.jpg": "out/a/x.png",
        "set.zip/a/y.png": "out/a/y.png",
    }
    assert found.others == {".txt": 1}
    assert all(read_image(item.image).shape == (3, 4, 3) for item in found.items)
    assert sorted(Path().rglob("*")) == before


def test_the_same_name_from_two_roots_never_meets() -> None:
    found = find_images(read_sources(["p", "q/x.jpg", "p/a"], lambda: b"").paths, Path("out"))
    maps = [item.map for item in found.items]
    assert len(set(maps)) == len(maps) == 5
