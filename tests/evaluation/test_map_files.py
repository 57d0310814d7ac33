"""Folders of maps as methods write them, each read as what its author meant."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from decamo.errors import DataError, UnreadableImage
from decamo.evaluation.map_files import (
    EIGHT_BIT,
    Channel,
    decide_reading,
    read_values,
    to_bytes,
)

Maps = list[npt.NDArray[np.uint8]]
WHITE = np.full((12, 16), 255, np.uint8)


def made() -> Maps:
    """A soft map, one of few levels, one that finds nothing and one that is all object."""
    rng = np.random.default_rng(0)
    few = np.zeros((12, 16), np.uint8)
    few[3:9, 4:12] = 200
    few[5:7, 5:9] = 255
    return [rng.integers(0, 256, (12, 16)).astype(np.uint8), few, 0 * few, WHITE]


def rgba(colour: Any, alpha: Any) -> Image.Image:
    three = colour if colour.ndim == 3 else np.stack([colour] * 3, -1)
    return Image.fromarray(np.dstack([three, alpha]).astype(np.uint8))


def palette(grey: npt.NDArray[np.uint8], colours: list[int]) -> Image.Image:
    picture = Image.fromarray(grey).convert("L")
    picture.putpalette(colours)
    return picture


PHOTO = np.random.default_rng(1).integers(0, 256, (12, 16, 3), dtype=np.uint8)
# what a method wrote -> what is said of it, and by how much a level may be off
WAYS: dict[str, tuple[Callable[[npt.NDArray[np.uint8]], Any], str, float]] = {
    "grey": (Image.fromarray, "", 0),
    "rgb of grey": (lambda g: Image.fromarray(np.stack([g] * 3, -1)), "", 0),
    "opaque": (lambda g: rgba(g, WHITE), "4 files (such as m0.png) with an alpha channel that says "
               "nothing more, read as luminance", 0),
    "alpha of white": (lambda g: rgba(WHITE, g), "that holds the map, read as alpha", 0),
    "alpha of black": (lambda g: rgba(0 * WHITE, g), "that holds the map, read as alpha", 0),
    "alpha of a colour": (lambda g: rgba(np.full((12, 16, 3), (9, 90, 200)), g), "as alpha", 0),
    "alpha of photographs": (lambda g: rgba(PHOTO, g), "that holds the map, read as alpha", 0),
    "both alike": (lambda g: rgba(g, g), "read as luminance", 0),
    "ground see-through": (lambda g: rgba(g, WHITE * (g > 0)), "read as luminance", 0),
    "white where visible": (lambda g: rgba(WHITE * (g > 0), g), "read as alpha", 0),
    "LA": (lambda g: Image.fromarray(np.dstack([WHITE, g])), "read as alpha", 0),
    "grey palette": (lambda g: palette(g, [v for k in range(256) for v in (k, k, k)]), "", 0),
    "palette of one colour": (lambda g: palette(g, [0] * 768), "", 0),
    "16 bits": (lambda g: Image.fromarray(g.astype(np.uint16) * 257),
                "4 files (such as m0.png) of more than 8 bits, 65535 being 1", 1e-9),
    "bytes in 16 bits": (lambda g: Image.fromarray(g.astype(np.uint16)), "255 being 1", 1e-9),
    "float tif": (lambda g: Image.fromarray((g / 255).astype(np.float32)), "floats, 1 being 1",
                  1e-5),
    "float tif to 255": (lambda g: Image.fromarray(g.astype(np.float32)), "255 being 1", 1e-5),
    "npy": (lambda g: (g / 255).astype(np.float32), "floats, 1 being 1", 1e-5),
    "npy, half": (lambda g: (g / 255).astype(np.float16), "floats, 1 being 1", 0.13),
    "npy, channel first": (lambda g: (g / 255)[None], "floats, 1 being 1", 1e-9),
    "npy of bytes": (lambda g: g, "", 0),
    "npy of int64": (lambda g: g.astype(np.int64), "255 being 1", 1e-9),
}  # fmt: skip


def write(folder: Path, way: Callable[[npt.NDArray[np.uint8]], Any], maps: Maps) -> list[Path]:
    paths = []
    for n, grey in enumerate(maps):
        picture = way(grey)
        if isinstance(picture, np.ndarray):
            paths.append(folder / f"m{n}.npy")
            np.save(paths[-1], picture)
        else:
            paths.append(folder / f"m{n}.{'tif' if picture.mode == 'F' else 'png'}")
            picture.save(paths[-1])
    return paths


@pytest.mark.parametrize("way", WAYS)
def test_a_folder_is_read_as_it_was_meant(tmp_path: Path, way: str) -> None:
    save, told, off = WAYS[way]
    paths = write(tmp_path, save, made())
    reading = decide_reading("M", paths)
    assert told in "; ".join(reading.remarks)
    assert bool(told) == bool(reading.remarks)
    for path, want in zip(paths, made(), strict=True):
        got = read_values(path, reading)
        assert got.dtype in (np.uint8, np.float64)
        levels = got * 255 if got.dtype == np.float64 else got.astype(float)
        assert np.abs(levels - want).max() <= off
        assert np.array_equal(to_bytes(got), want)


def test_colour_is_luminance_and_said(tmp_path: Path) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    reading = decide_reading("M", [tmp_path / "a.png"])
    (remark,) = reading.remarks
    assert remark.startswith("1 file (such as a.png) in colour, read as luminance")
    want = np.asarray(Image.fromarray(PHOTO).convert("L")).astype(int)
    got = read_values(tmp_path / "a.png", reading).astype(int)
    assert np.abs(got - want).max() <= 1


def test_one_bit_is_0_and_255(tmp_path: Path) -> None:
    Image.fromarray(made()[1] > 0).save(tmp_path / "a.png")
    got = read_values(tmp_path / "a.png", decide_reading("M", [tmp_path / "a.png"]))
    assert np.array_equal(got, np.where(made()[1] > 0, 255, 0))


def test_a_jpeg_is_read_as_it_decodes(tmp_path: Path) -> None:
    Image.fromarray(made()[0]).save(tmp_path / "a.jpg")
    got = read_values(tmp_path / "a.jpg", EIGHT_BIT)
    assert np.array_equal(got, np.asarray(Image.open(tmp_path / "a.jpg")))


@pytest.mark.parametrize("channel", list(Channel))
def test_two_different_pictures_in_one_file_need_a_word(tmp_path: Path, channel: Channel) -> None:
    grey, other = made()[0], np.random.default_rng(5).integers(0, 256, (12, 16)).astype(np.uint8)
    rgba(grey, other).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png.*M.*--map-channel"):
        decide_reading("M", [tmp_path / "a.png"])
    reading = decide_reading("M", [tmp_path / "a.png"], channel)
    want = grey if channel is Channel.LUMINANCE else other
    assert np.array_equal(read_values(tmp_path / "a.png", reading), want)


def test_files_that_disagree_are_named(tmp_path: Path) -> None:
    rgba(WHITE, made()[0]).save(tmp_path / "a.png")
    rgba(made()[0], WHITE).save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"a\.png.*alpha.*b\.png.*grey levels"):
        decide_reading("M", [tmp_path / "a.png", tmp_path / "b.png"])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.array([[-7.5, 9.0]]), "-7.5 to 9"),
        (np.array([[-0.5, 0.5]]), "-0.5 to 0.5"),
        (np.array([[0.0, 1000.0]]), "0 to 1000"),
        (np.array([[0, 70000]]), "0 to 70000"),
        (np.array([[-1, 1]], np.int16), "-1 to 1"),
    ],
)
def test_numbers_that_are_no_probabilities_are_refused(
    tmp_path: Path, values: Any, told: str
) -> None:
    np.save(tmp_path / "a.npy", values)
    np.save(tmp_path / "b.npy", np.zeros((1, 2)))
    with pytest.raises(DataError, match=f"a.npy.*{told}.*sigmoid"):
        decide_reading("M", [tmp_path / "b.npy", tmp_path / "a.npy"])


def test_a_resampled_map_may_overshoot_a_little(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[-0.004, 1.003]]))
    reading = decide_reading("M", [tmp_path / "a.npy"])
    assert read_values(tmp_path / "a.npy", reading).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    "values",
    [np.array([[np.nan, 1]]), np.array([[np.inf, 1]]), np.zeros((2, 3, 4)), np.zeros(0),
     np.array([["a"]]), np.array([{}], object)],
    ids=["nan", "infinite", "two maps", "nothing", "words", "objects"],
)  # fmt: skip
def test_an_array_that_is_no_map_is_named(tmp_path: Path, values: Any) -> None:
    np.save(tmp_path / "a.npy", values)
    reading = decide_reading("M", [tmp_path / "a.npy"])
    with pytest.raises(UnreadableImage, match=r"a\.npy"):
        read_values(tmp_path / "a.npy", reading)


def test_what_cannot_be_read_is_left_to_scoring(tmp_path: Path) -> None:
    for name in ("a.png", "b.npy", "c.tif"):
        (tmp_path / name).write_bytes(b"nothing")
    assert decide_reading("M", sorted(tmp_path.iterdir())) == EIGHT_BIT


def test_logits_whose_least_is_near_are_no_levels(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.linspace(-4.0, 6.0, 60).reshape(6, 10))
    with pytest.raises(DataError, match="of logits their sigmoid"):
        decide_reading("m", [tmp_path / "a.npy"])
    np.save(tmp_path / "b.npy", np.linspace(-4.0, 255.0, 60).reshape(6, 10))
    assert decide_reading("m", [tmp_path / "b.npy"]).real == 255
