"""What a worker could not read is read here, before it is believed; by a stand-in of workers."""

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from decamo.api.image_work import ImageWork, MadeImage
from decamo.api.remote_images import CrewImages, RemoteImages, staging_in
from decamo.api.remote_network import RemoteNetwork, some_files
from decamo.api.remote_scoring import CrewMeasurer, RemoteScoring
from decamo.data.census import BadFile
from decamo.data.inside import located
from decamo.data.rules import ReadingRule
from decamo.data.waiting import NOBODY
from decamo.errors import CheckpointError, SettingsError
from decamo.evaluation import Case, Job, Rules
from decamo.inference.inputs import Item
from decamo.inference.views import Views
from tests.api.test_predicting import Arithmetic


class Blind:
    """Workers that can read nothing."""

    count, device = 2, "cpu"

    def results(self, work: Any, items: Iterable[Any], **_: Any) -> Generator[Any]:
        for item in items:
            if isinstance(item, Item):
                yield MadeImage(item, "not there")
            else:
                yield BadFile(item.case.stem, item.case.mask, "not there")


NETWORK = RemoteNetwork(Path("n"), "", "cpu", "fp32", 32, Views(), "half", 100, "", 1)


def item_of(path: Path) -> Item:
    return Item(path, *(path.with_name(f"{n}.png") for n in ("map", "overlay", "sheet")))


@pytest.fixture
def maker(tmp_path: Path) -> CrewImages:
    here = ImageWork(Arithmetic(), ReadingRule(), {}, NOBODY)
    work = RemoteImages(NETWORK, ReadingRule(), {}, 1, False, False, tmp_path, 9.0)
    return CrewImages(Blind(), work, "fp32", here)


@pytest.fixture
def frog(tmp_path: Path) -> Path:
    path = tmp_path / "frog.png"
    Image.fromarray(np.full((4, 5, 3), 200, np.uint8)).save(path)
    return path


def test_a_damaged_image_is_left_out_and_a_blind_node_is_a_mistake(
    maker: CrewImages, frog: Path, tmp_path: Path
) -> None:
    (tmp_path / "cut.png").write_bytes(b"no image")
    damaged = item_of(tmp_path / "cut.png")
    assert [one.item for one in maker.each([damaged], ordered=True)] == [damaged]
    with pytest.raises(SettingsError, match="--on: a worker cannot read what this machine can"):
        list(maker.each([item_of(frog)], ordered=True))


def test_the_same_of_a_mask(frog: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(b"no image")
    measurer = CrewMeasurer(Rules(), Blind(), RemoteScoring(Rules(), False, 1, 9.0), NOBODY)
    (bad,) = measurer.results([Job(Case("cut", tmp_path / "cut.png"), None)])
    assert isinstance(bad, BadFile)
    with pytest.raises(SettingsError, match=r"--on: a worker cannot read \S+frog.png, and this"):
        list(measurer.results([Job(Case("frog", frog), None)]))


def test_pictures_are_put_in_their_place_whole(frog: Path, tmp_path: Path) -> None:
    whole = ImageWork(Arithmetic(), ReadingRule(), {}, NOBODY, masks=True, overlay=True)
    out = tmp_path / "out"
    with staging_in(out) as staging:
        assert staging.is_dir()
        item = item_of(out / "deep" / "x.png")
        (made,) = replace(whole, staging=staging).each([replace(item, image=frog)])
        assert list(staging.iterdir()) == []
    assert sorted(path.name for path in out.rglob("*")) == ["deep", "map.png", "overlay.png"]
    assert made.mask().shape == (4, 5)
    assert made.mask().all()
    (tmp_path / "plain").mkdir()
    plain = replace(item_of(tmp_path / "plain" / "x.png"), image=frog)
    list(whole.each([plain]))
    assert plain.map.read_bytes() == item.map.read_bytes()


def test_what_a_worker_writes_as_it_ends_goes_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file comes after the folder was looked through, and before the folder itself goes."""
    late, rmdir = ["b", "a"], os.rmdir

    def write_and_remove(path: str, **how: Any) -> None:
        if late:
            (staging / late.pop()).touch()
        rmdir(path, **how)

    with staging_in(tmp_path) as staging:
        (staging / "made").touch()
        monkeypatch.setattr(os, "rmdir", write_and_remove)
    assert late == []
    assert list(tmp_path.iterdir()) == []


def test_another_network_at_that_path_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"weights")
    with pytest.raises(CheckpointError, match="another file on a worker's machine"):
        replace(NETWORK, path=path, digest="0" * 64).load()


def test_files_by_which_nodes_show_what_they_see(tmp_path: Path) -> None:
    paths: Sequence[Path] = [tmp_path / f"{n}.png" for n in range(1000)]
    for path in paths:
        path.touch()
    found = some_files(paths)
    assert len(found) <= 18
    assert {found[0], found[-1]} == {paths[0], paths[-1]}
    zipped = tmp_path / "a.zip"
    zipped.write_bytes(b"PK\5\6" + bytes(18))
    asked: Callable[[Sequence[Path]], list[Path]] = some_files
    assert asked([located(zipped / "x" / "1.png"), tmp_path / "gone.png"]) == [zipped]
