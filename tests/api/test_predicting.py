"""Many images by a network of arithmetic: what is under test is around it."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from decamo.api.model import Model
from decamo.api.predict_request import PredictRequest
from decamo.api.predicting import PredictionJob
from decamo.data.inside import Notation
from decamo.errors import SettingsError
from decamo.inference.inputs import find_images
from decamo.inference.loaded import Trained
from decamo.inference.shard import InputShard
from decamo.inference.views import PreparedImage, Views


class Arithmetic:
    """Reddish pixels are object."""

    size, dtype, device = 32, None, "cpu"
    views, decision = Views(), "half"

    def __init__(self, threads: bool = False) -> None:
        self.batches: list[int] = []
        self.threads, self.opened = threads, (0, 0)
        self.askers: set[int] = set()

    def predict(self, images: Any) -> list[npt.NDArray[np.float32]]:
        return [self.finish(one, one.shape) for one in self.look(list(map(self.prepare, images)))]

    def for_threads(self, callers: int, cores: int) -> "Arithmetic | None":
        self.opened = callers, cores
        return self if self.threads and callers > 1 else None

    def enter_thread(self) -> None: ...

    def prepare(self, image: npt.NDArray[np.uint8]) -> PreparedImage:
        return PreparedImage(image.transpose(2, 0, 1), (image.shape[0], image.shape[1]))

    def look(self, images: Sequence[PreparedImage]) -> list[npt.NDArray[np.float32]]:
        self.batches.append(len(images))
        self.askers.add(threading.get_ident())
        return [np.float32(1) * image.square[0] / np.float32(255) for image in images]

    def finish(
        self, logits: npt.NDArray[np.float32], native: tuple[int, int]
    ) -> npt.NDArray[np.float32]:
        assert logits.shape == native
        return logits


def model_at(
    folder: Path, weights: bytes = b"weights", threads: bool = False
) -> tuple[Model, Arithmetic]:
    path = folder / "model.pth"
    path.write_bytes(weights)
    maker = Arithmetic(threads)
    return Model(path, Trained(32, "raw", 1), maker), maker


def photos_in(folder: Path, count: int = 5) -> Path:
    home = folder / "photos"
    home.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(home / f"{number}.png")
    return home


def run(folder: Path, model: Model, photos: Path, **how: Any) -> PredictionJob:
    request = PredictRequest(**{"out": folder / "out", "jsonl": folder / "l.jsonl"} | how)
    job = PredictionJob(find_images([photos], request.out), request)
    job.check(model.path)
    job.run(model)
    return job


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_says_of_each_image_what_its_map_says(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    pixels = np.zeros((10, 20, 3), dtype=np.uint8)
    pixels[2:5, 7:11, 0] = 204
    Image.fromarray(pixels).save(photos / "frog.png")
    Image.new("RGB", (4, 4)).save(photos / "nothing.png")
    (photos / "broken.jpg").write_bytes(b"no image")
    model, _ = model_at(tmp_path)
    job = run(tmp_path, model, photos)
    assert (job.lines, job.bad) == (2, 1)
    header, broken, frog, nothing = lines_of(tmp_path / "l.jsonl")
    assert len(header["model"]) == 64
    assert "not an image" in broken["error"]
    assert frog["source"] == str(photos / "frog.png")
    assert frog["outputs"] == [str(tmp_path / "out" / n) for n in ("frog.png",)]
    assert (frog["width"], frog["height"], frog["area"], frog["box"]) == (20, 10, 12, [7, 2, 4, 3])
    assert frog["confidence"] == pytest.approx(0.8)
    assert frog["expected_iou"] == pytest.approx(0.8)
    assert frog["seconds"] > 0
    assert (nothing["area"], nothing["box"], nothing["confidence"]) == (0, None, None)


@pytest.mark.parametrize("write", [None, Notation.COCO, Notation.LABELME])
def test_shards_together_are_the_whole(tmp_path: Path, write: Notation | None) -> None:
    photos = photos_in(tmp_path)
    model, _ = model_at(tmp_path)
    run(tmp_path, model, photos, write=write, jsonl=None)
    whole = contents(tmp_path / "out")
    parts: dict[str, bytes] = {}
    for number in (1, 2, 3):
        out = tmp_path / "shared"
        before = contents(out)
        run(tmp_path, model, photos, out=out, write=write, jsonl=None, shard=InputShard(number, 3))
        parts = contents(out)
        assert all(parts[name] == data for name, data in before.items())
    own = {name for name in parts if "-of-3" in name}
    assert len(own) == {None: 0, Notation.COCO: 6, Notation.LABELME: 3}[write]
    common = {"worst_first.txt", "annotations.json"}
    assert {n: d for n, d in parts.items() if n not in own} == {
        n: d for n, d in whole.items() if n not in common
    }
    if write is Notation.COCO:
        held = [json.loads(parts[f"annotations-{n}-of-3.json"]) for n in (1, 2, 3)]
        names = {image["file_name"] for one in held for image in one["images"]}
        assert names == {f"{n}.png" for n in range(5)}


@pytest.mark.parametrize(
    ("how", "callers"),
    [({}, 4), ({"overlay": True}, 4), ({"batch": 2}, 0), ({"shard": InputShard(1, 2)}, 0)],
)
def test_many_images_are_asked_of_by_those_who_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any], callers: int
) -> None:
    monkeypatch.setattr("decamo.api.image_makers.cores", lambda: 6)
    photos = photos_in(tmp_path, 12)
    (photos / "5.png").write_bytes(b"no image")
    model, plain = model_at(tmp_path)
    one = run(tmp_path, model, photos, out=tmp_path / "one", jsonl=tmp_path / "one.jsonl", **how)
    model, maker = model_at(tmp_path, threads=True)
    job = run(tmp_path, model, photos, **how)
    assert maker.opened == (callers, 6)
    assert sum(maker.batches) == sum(plain.batches) == job.lines
    assert (threading.get_ident() in maker.askers) == (callers == 0)
    assert (job.lines, job.bad) == (one.lines, one.bad)
    assert contents(tmp_path / "out") == contents(tmp_path / "one")
    told, alone = (
        [line.get("source") for line in lines_of(tmp_path / name)]
        for name in ("l.jsonl", "one.jsonl")
    )
    assert told == alone  # in order


def test_what_a_network_raises_in_a_reading_thread_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decamo.api.image_makers.cores", lambda: 2)
    model, maker = model_at(tmp_path, threads=True)

    def broken(_images: Sequence[PreparedImage]) -> list[npt.NDArray[np.float32]]:
        raise SettingsError("--device", "no memory", "another")

    monkeypatch.setattr(maker, "look", broken)
    with pytest.raises(SettingsError, match="no memory"):
        run(tmp_path, model, photos_in(tmp_path, 9))


def test_batches_go_through_together_and_write_the_same(tmp_path: Path) -> None:
    photos = photos_in(tmp_path)
    model, maker = model_at(tmp_path)
    run(tmp_path, model, photos)
    whole, maker.batches = contents(tmp_path / "out"), []
    run(tmp_path, model, photos, batch=2)
    assert maker.batches == [2, 2, 1]
    assert contents(tmp_path / "out") == whole


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    photos = photos_in(tmp_path)
    model, maker = model_at(tmp_path)
    run(tmp_path, model, photos)
    first = lines_of(tmp_path / "l.jsonl")
    whole, maker.batches = contents(tmp_path / "out"), []
    job = run(tmp_path, model, photos, resume=True)
    assert (job.lines, job.before, maker.batches) == (0, 5, [])
    assert lines_of(tmp_path / "l.jsonl") == first
    (tmp_path / "out" / "1.png").unlink()
    Image.new("RGB", (5, 5), (255, 0, 0)).save(photos / "3.png")
    job = run(tmp_path, model, photos, resume=True)
    assert (job.lines, job.before) == (2, 3)
    now = contents(tmp_path / "out")
    assert {n for n in now if now[n] != whole[n]} == {"3.png"}
    sources = [line["source"] for line in lines_of(tmp_path / "l.jsonl")[1:]]
    assert sorted(sources) == sorted(str(photos / f"{n}.png") for n in range(5))


def test_another_network_or_other_options_are_not_gone_on_with(tmp_path: Path) -> None:
    photos = photos_in(tmp_path)
    model, _ = model_at(tmp_path)
    run(tmp_path, model, photos)
    before = contents(tmp_path)
    with pytest.raises(SettingsError, match="made with --write none, now labelme"):
        run(tmp_path, model, photos, resume=True, write=Notation.LABELME)
    with pytest.raises(SettingsError, match="has the lines of --shard 1/1"):
        run(tmp_path, model, photos, shard=InputShard(1, 2))
    assert contents(tmp_path) == before
    other, _ = model_at(tmp_path, b"others")
    with pytest.raises(SettingsError, match="made by another network"):
        run(tmp_path, other, photos, resume=True)
    (tmp_path / "l.jsonl").write_text('{"epoch": 1}\n')
    with pytest.raises(SettingsError, match="no list of predictions"):
        run(tmp_path, other, photos)


@pytest.mark.parametrize("write", [Notation.COCO, Notation.YOLO])
def test_a_resumed_run_keeps_what_was_corrected(tmp_path: Path, write: Notation) -> None:
    photos = photos_in(tmp_path)
    model, _ = model_at(tmp_path)
    run(tmp_path, model, photos, write=write)
    with pytest.raises(SettingsError, match="may have been corrected by hand"):
        run(tmp_path, model, photos, write=write)
    name = "annotations.json" if write is Notation.COCO else "labels/2.txt"
    (tmp_path / "out" / name).write_text("mine")
    before = contents(tmp_path / "out")
    run(tmp_path, model, photos, write=write, resume=True)
    assert contents(tmp_path / "out") == before


_KILLED = """
import os, signal, sys
from pathlib import Path
import decamo.storage.durable as durable
import decamo.inference.prediction_log as log
from decamo.data.inside import Notation
from tests.api.test_predicting import model_at, run

folder, photos, write = Path(sys.argv[1]), Path(sys.argv[2]), Notation(sys.argv[3])
model, _ = model_at(folder)

def killing(inner, left):
    def outer(*given):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        inner(*given)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return outer

kills = 0
while True:
    child = os.fork()
    if child == 0:
        left = [int(sys.argv[4]) + kills % 3]
        durable.replace = killing(durable.replace, left)
        log.PredictionLog._put = killing(log.PredictionLog._put, left)
        run(folder, model, photos, write=write, resume=True, batch=2, overlay=True)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status == 0:
        break
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, status
    kills += 1
    assert kills < 200
    with (folder / "l.jsonl").open("ab") as file:  # as if a line had been half on the disk
        file.write(b'{"source": "' if kills % 2 else b"")
print(kills)
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="kills forks")
@pytest.mark.parametrize(
    ("write", "step"),
    [(Notation.COCO, 10), *(pytest.param(*one, marks=pytest.mark.long) for one in (
        (Notation.COCO, 13), (Notation.LABELME, 10), (Notation.LABELME, 13)))],
)  # fmt: skip
def test_killed_again_and_again_it_ends_as_if_it_never_was(
    tmp_path: Path, write: Notation, step: int
) -> None:
    photos = photos_in(tmp_path)
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    for folder in (unbroken, killed):
        folder.mkdir()
    run(unbroken, model_at(unbroken)[0], photos, write=write, overlay=True)
    words = [sys.executable, "-c", _KILLED, str(killed), str(photos), write, str(step)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 3
    assert contents(killed / "out") == contents(unbroken / "out")
    lines = [lines_of(folder / "l.jsonl")[1:] for folder in (killed, unbroken)]
    for key in ("source", "expected_iou", "area", "box"):
        assert [line[key] for line in lines[0]] == [line[key] for line in lines[1]]


def test_a_picture_is_encoded_once_and_overlays_only_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, encoded = photos_in(tmp_path), []
    whole = Image.Image.save

    def counted(self: Image.Image, *given: Any, **how: Any) -> None:
        encoded.append(self.mode)
        whole(self, *given, **how)

    monkeypatch.setattr(Image.Image, "save", counted)
    run(tmp_path, model_at(tmp_path)[0], photos)
    assert encoded == ["L"] * 5
    run(tmp_path, model_at(tmp_path)[0], photos, overlay=True)
    assert sorted(encoded[5:]) == ["L"] * 5 + ["RGB"] * 5
