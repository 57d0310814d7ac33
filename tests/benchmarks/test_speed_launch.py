"""What two builds are compared by; what they take is never asserted."""

import shutil
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks import speed_launch
from benchmarks.children import Command
from benchmarks.speed_launch import Builds, folder_lines, launch_lines
from decamo.errors import DecamoError

Greys = Callable[[str, str], int | None]


@pytest.fixture
def args(tmp_path: Path) -> Namespace:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (photos / name).touch()
    here = Path("x")
    return Namespace(before=here, checkpoint=here, exported=here, photos=photos, rounds=2)


def _predicts(monkeypatch: pytest.MonkeyPatch, greys: Greys) -> None:
    """Each build writes a map of one grey, by the photograph's stem and the build's name."""

    def run(
        self: Builds, _env: Any, _module: str, _network: Path, images: Sequence[Path], name: str
    ) -> Command:
        shutil.rmtree(self.maps(name), ignore_errors=True)
        self.maps(name).mkdir()
        for image in images:
            grey = greys(image.stem, name)
            if grey is not None:
                Image.new("L", (4, 3), grey).save(self.maps(name) / f"{image.stem}.png")
        return Command(1.0, 100.0)

    def least(_self: Any) -> Command:
        return Command(1.0, 100.0)

    monkeypatch.setattr(Builds, "_run", run)
    for name in ("imports", "passes", "exported_passes"):
        monkeypatch.setattr(Builds, name, least)
    monkeypatch.setattr(speed_launch, "_huge_photograph", Path.touch)


def test_equal_maps_are_not_told(args: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    _predicts(monkeypatch, lambda _stem, name: 101 if name == "exported" else 100)  # it rounds
    for lines_of in (launch_lines, folder_lines):
        lines, told = lines_of(args)
        assert told == ""
        assert all(line.ratio == 1 for line in lines)


@pytest.mark.parametrize("build", ["new", "exported"])
@pytest.mark.parametrize("stem", ["a", "huge"])
def test_maps_of_the_timed_run_and_of_the_huge_photograph_are_compared(
    stem: str, build: str, args: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    _predicts(monkeypatch, lambda of, name: 102 if (of, name) == (stem, build) else 100)
    _, told = launch_lines(args)
    assert told == f"launch: 1 maps differ ({build}), such as {stem}.png"


def test_all_maps_of_a_folder_are_compared(
    args: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    _predicts(monkeypatch, lambda _stem, name: {"old": 100, "new": 101, "exported": 98}[name])
    _, told = folder_lines(args)
    assert told == (
        "folder: 2 maps differ (new), such as a.png; 2 maps differ (exported), such as a.png"
    )


@pytest.mark.parametrize("builds", [["old", "new", "exported"], ["exported"], ["old"]])
def test_maps_that_are_not_there_are_not_equal(
    builds: list[str], args: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    _predicts(monkeypatch, lambda stem, name: None if name in builds and stem == "b" else 100)
    if len(builds) < 3:
        with pytest.raises(DecamoError, match="maps"):
            folder_lines(args)
    _predicts(monkeypatch, lambda _stem, name: None if name in builds else 100)
    with pytest.raises(DecamoError, match="maps"):
        launch_lines(args)
