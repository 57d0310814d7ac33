"""A network that may kill its worker, and images, for tests of predictions on a cluster."""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import decamo
from decamo.api.predict_request import PredictRequest
from decamo.api.predicting import PredictionJob
from decamo.data.waiting import Ear
from decamo.inference.inputs import find_images
from tests.export.conftest import folder_of

__all__ = [
    "code_of",
    "contents",
    "kill_one",
    "killed",
    "killing_network",
    "kills",
    "lines_of",
    "model_of",
    "photos_in",
    "predicted",
]

KILLS = """
import os
import signal
from pathlib import Path

from torch import nn

MARK = Path(__file__).with_name("kills")


class Net(nn.Sequential):
    def forward(self, x):
        # as often as the mark says; a rename is done by one process alone
        left = len(list(MARK.glob("*"))) if MARK.is_dir() else 0
        if left and x.mean() > x.new_tensor(0.0):
            try:
                os.rename(MARK / str(left), MARK.with_name(f"killed-{left}"))
            except OSError:
                return super().forward(x)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(x)


def build():
    return Net(
        nn.Conv2d(3, 8, 5, stride=4, padding=2), nn.GELU(), nn.GroupNorm(2, 8), nn.Conv2d(8, 1, 3)
    )
"""


def killing_network(home: Path) -> Path:
    """A tiny network's folder; each file in ``kills`` beside its code kills a worker."""
    return folder_of(home, KILLS)


def kills(folder: Path, count: int) -> None:
    """Let the network of that folder kill so many processes, at bright images."""
    mark = folder.parent / "kills"
    mark.mkdir(exist_ok=True)
    for number in range(1, count + 1):
        (mark / str(number)).touch()


def killed(folder: Path) -> int:
    """How many it has killed."""
    return len(list(folder.parent.glob("killed-*")))


def code_of(folder: Path) -> str:
    """What names its code."""
    return f"{folder.parent / 'net.py'}:build"


def model_of(folder: Path) -> decamo.Model:
    """The network, loaded here."""
    return decamo.load(folder, device="cpu", network=code_of(folder))


def photos_in(home: Path, count: int) -> Path:
    """Images of 48 to 64 px; the darker ones are before the brighter ones."""
    home.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        size = (int(rng.integers(48, 65)), int(rng.integers(48, 65)), 3)
        least = 0 if number < count // 3 else 150
        pixels = rng.integers(least, least + 100, size, dtype=np.uint8)
        Image.fromarray(pixels).save(home / f"{number:04d}.png")
    return home


def predicted(
    model: decamo.Model, photos: Path, out: Path, ear: Ear | None = None, **how: Any
) -> PredictionJob:
    """The job, done; ``how`` has fields of the request, and ``on_done``."""
    on_done = how.pop("on_done", None)
    job = PredictionJob(find_images([photos], out), PredictRequest(out=out, **how))
    job.ear = ear or Ear()
    if on_done is not None:
        job.on_done = lambda _item, _line: on_done()
    job.check(model.path)
    job.run(model)
    return job


def kill_one(out: Path) -> None:
    """SIGKILL for a worker that writes to a folder."""
    for path in out.glob(".part-*/*"):
        with suppress(ProcessLookupError):  # one that has died leaves its folder behind
            os.kill(int(path.name.partition("-")[0]), signal.SIGKILL)
            return
    raise AssertionError("none writes there")


def contents(folder: Path) -> dict[str, bytes]:
    """All files, hidden ones among them."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Lines of a run, without what is its own: where its files are, and the seconds."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["options"].pop("--out")
    for line in lines[1:]:
        line.pop("seconds", None)
        line["outputs"] = [Path(one).name for one in line.get("outputs", ())]
    return lines
