"""Predictions and scores by workers of three Ray nodes: the files and tables of the plain run.

The network is mostly an exported one, since a worker then starts in a second.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import decamo
from decamo.cluster.worker_crew import Workers, workers_of
from decamo.data.inside import Notation
from decamo.data.waiting import Ear, StopAsked
from decamo.errors import SettingsError
from tests.api.on_ray import (
    code_of,
    contents,
    kill_one,
    killed,
    killing_network,
    kills,
    lines_of,
    model_of,
    photos_in,
    predicted,
)
from tests.export.conftest import onnx_command as onnx_command
from tests.export.conftest import onnx_file as onnx_file
from tests.export.conftest import tiny as tiny
from tests.ray_cluster import Nodes

BROKEN = 11
GOOD = 29


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = photos_in(tmp_path_factory.mktemp("images") / "photos", GOOD + 1)
    (home / f"{BROKEN:04d}.png").write_bytes(b"no image")
    return home


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return killing_network(tmp_path / "net")


@pytest.fixture
def two(three_nodes: Nodes) -> Workers:
    found = workers_of(str(three_nodes.on), count=2, cpus=1)
    assert found is not None
    return found


def once(act: Callable[[], None]) -> Callable[[], None]:
    """What acts at its first call alone."""
    left = [act]
    return lambda: left.pop()() if left else None


def test_a_killed_worker_changes_no_byte(
    two: Workers, onnx_file: Path, photos: Path, tmp_path: Path
) -> None:
    model, said = decamo.load(onnx_file), list[str]()
    here, there = tmp_path / "here", tmp_path / "there"
    slow: dict[str, Any] = {"write": Notation.COCO, "overlay": True}  # not done before the kill
    plain = predicted(model, photos, here, jsonl=tmp_path / "here.jsonl", **slow)
    ray = predicted(
        model, photos, there, Ear(say=said.append), jsonl=tmp_path / "there.jsonl",
        **slow, workers=two, on_done=once(lambda: kill_one(there)),
    )  # fmt: skip
    assert [line.partition(";")[0] for line in said] == ["a worker died"]
    assert (ray.lines, ray.bad) == (plain.lines, plain.bad) == (GOOD, 1)
    assert contents(there) == contents(here)
    assert lines_of(tmp_path / "there.jsonl") == lines_of(tmp_path / "here.jsonl")


def test_a_plain_run_is_resumed_on_ray(
    two: Workers, onnx_file: Path, photos: Path, tmp_path: Path
) -> None:
    model = decamo.load(onnx_file)
    whole, out, half = tmp_path / "whole", tmp_path / "out", tmp_path / "half.jsonl"
    predicted(model, photos, whole, write=Notation.COCO, jsonl=tmp_path / "whole.jsonl")
    header, *lines = (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)
    half.write_text("".join([header, *lines[1::2]]).replace(str(whole), str(out)))
    made = contents(whole)
    out.mkdir()
    for name in {name for line in lines_of(half)[1:] for name in line["outputs"]}:
        (out / name).write_bytes(made[name])
    job = predicted(model, photos, out, write=Notation.COCO, jsonl=half, resume=True, workers=two)
    assert (job.before, job.lines) == (14, GOOD - 14)  # what could not be read is read again
    assert contents(out) == made  # the annotations' order, too


def test_a_request_to_stop_leaves_what_is_done_and_resume_goes_on(
    two: Workers, onnx_file: Path, photos: Path, tmp_path: Path
) -> None:
    model, done = decamo.load(onnx_file), list[int]()
    whole, out, lines = tmp_path / "whole", tmp_path / "out", tmp_path / "l.jsonl"
    predicted(model, photos, whole)
    ear = Ear(listen=lambda: "on SIGTERM" if done else "")
    with pytest.raises(StopAsked, match="on SIGTERM"):
        predicted(model, photos, out, ear, jsonl=lines, workers=two, on_done=lambda: done.append(1))
    assert 0 < len(done) < GOOD
    made = contents(out)
    assert not [name for name in made if name.startswith(".")]
    assert made.items() <= contents(whole).items()
    again = predicted(model, photos, out, jsonl=lines, resume=True, workers=two)
    assert (again.before, again.lines) == (len(done), GOOD - len(done))
    assert contents(out) == contents(whole)


def test_scores_are_equal_of_a_network_and_of_maps(
    two: Workers, onnx_file: Path, scenes: Path, tmp_path: Path
) -> None:
    predicted(decamo.load(onnx_file), scenes / "Train" / "Image", tmp_path / "maps")
    methods = [f"net={onnx_file}", f"maps={tmp_path / 'maps'}"]
    how: dict[str, Any] = {"split": "train", "by": ["size", "contrast"], "resamples": 20}
    plain = decamo.evaluate(methods, scenes, workers=1, **how)
    ray = decamo.evaluate(methods, scenes, on=str(two.on), workers=2, cpus_per_worker=1, **how)
    assert ray.to_plain() == plain.to_plain()
    assert str(ray) == str(plain)


def test_predictions_in_python_come_in_order(
    three_nodes: Nodes, onnx_file: Path, photos: Path
) -> None:
    some = [photos / f"{n:04d}.png" for n in (20, 3, 3, 14)]
    on: dict[str, Any] = {"on": str(three_nodes.on), "workers": 2, "cpus_per_worker": 1}
    with three_nodes.apart():
        plain, ray = decamo.predict(onnx_file, some), decamo.predict(onnx_file, some, **on)
        assert not isinstance(plain, decamo.Prediction)
        assert not isinstance(ray, decamo.Prediction)
        for one, other in zip(plain, ray, strict=True):
            assert one.source == other.source
            assert np.array_equal(one.image, other.image)
            assert np.array_equal(one.probability, other.probability)
    alone = decamo.predict(onnx_file, one.image, **on)
    assert isinstance(alone, decamo.Prediction)
    assert np.array_equal(alone.probability, one.probability)


def test_an_error_of_a_worker_is_told_as_here(
    three_nodes: Nodes, network: Path, photos: Path, tmp_path: Path
) -> None:
    half = workers_of(str(three_nodes.on), count=1, cpus=1, precision="fp16")
    with pytest.raises(SettingsError, match="--precision: got fp16 on a CPU; use fp32, or a GPU"):
        predicted(model_of(network), photos, tmp_path / "out", workers=half)
    assert contents(tmp_path / "out") == {}


@pytest.mark.long
def test_a_network_that_kills_its_workers_gives_the_same_maps_and_scores(
    two: Workers, network: Path, photos: Path, scenes: Path, tmp_path: Path
) -> None:
    model, said = model_of(network), list[str]()
    predicted(model, photos, tmp_path / "here")
    kills(network, 2)
    predicted(model, photos, tmp_path / "there", Ear(say=said.append), workers=two)
    assert killed(network) == 2
    assert [line.partition(";")[0] for line in said] == ["a worker died"] * 2
    assert contents(tmp_path / "there") == contents(tmp_path / "here")

    how: dict[str, Any] = {
        "split": "train", "resamples": 20, "device": "cpu", "network": code_of(network)
    }  # fmt: skip
    plain = decamo.evaluate(network, scenes, workers=1, **how)
    kills(network, 3)
    ray = decamo.evaluate(network, scenes, on=str(two.on), workers=2, cpus_per_worker=1, **how)
    assert killed(network) == 3
    assert ray.to_plain() == plain.to_plain()
