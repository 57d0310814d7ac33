"""How the peak of memory of audit, evaluate and predict grows with the number of images."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from decamo.errors import DecamoError, SettingsError
from decamo.flags import Parser, write_json
from decamo.report import epoch_rows
from decamo.storage import make_folder

__all__ = ["WAYS", "Peak", "add_arguments", "run", "tiny_images"]

_SIDE = 16  # px
_FORMS = 64  # masks and maps that differ
_IN_A_FOLDER = 10_000

WAYS = {
    "predict": "decamo predict ONNX IMAGES",
    "predict-checkpoint": "decamo predict CHECKPOINT IMAGES",
    "evaluate": "decamo evaluate --predictions MAPS",
    "evaluate-checkpoint": "decamo evaluate CHECKPOINT",
    "audit": "decamo data audit",
}


@dataclass(frozen=True)
class Peak:
    """The most memory that a command held at once.

    Attributes:
        way: one of ``WAYS``.
        images: how many there were.
        mib: greatest resident set of any of its processes, MiB.
    """

    way: str
    images: int
    mib: float


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks memory``."""
    add = parser.add_argument
    add("--images", type=int, nargs="+", default=[1000, 10_000], metavar="N",
        help="in each round; 100000 takes 10 minutes a command (default 1000 10000)")  # fmt: skip
    add("--ways", nargs="+", choices=list(WAYS), default=list(WAYS), metavar="NAME",
        help=f"of {', '.join(WAYS)} (default: all)")  # fmt: skip
    add("--work", type=Path, default=Path("runs/memory"), metavar="DIR",
        help="folder of the images and the network, kept for the next time (default %(default)s)",
    )  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def run(args: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    if min(args.images) < 1:
        raise SettingsError("--images", f"got {min(args.images)}", "give at least 1")
    network = _network(args.work / "network") if set(args.ways) - {"evaluate", "audit"} else None
    peaks = []
    for images in sorted(args.images):
        data = tiny_images(args.work / f"images-{images}", images)
        for way in args.ways:
            words = _words(way, data, network, args.work / f"out-{images}")
            peaks.append(Peak(way, images, _peak_of(words)))
            print(f"{way} of {images}: {peaks[-1].mib:.0f} MiB", file=sys.stderr, flush=True)
    print(_peaks_text(peaks))
    write_json(args.json, {"peaks": [asdict(peak) for peak in peaks]})
    return 0


def tiny_images(folder: Path, count: int) -> Path:
    """A data set of images of 16 px with masks, and maps for them; made once.

    Each image is another one; masks and maps have 64 forms. There are 10,000 in a folder: file
    systems and people dislike more.

    Args:
        folder: to be made.
        count: of images.

    Returns:
        The folder, which holds ``set/Imgs``, ``set/GT`` and ``maps``.
    """
    if (folder / "whole").is_file():
        return folder
    masks, maps = list(_forms(1)), list(_forms(64))
    names = ("set/Imgs", "set/GT", "maps")
    for number in range(count):
        inner = "" if count <= _IN_A_FOLDER else f"part-{number // _IN_A_FOLDER:04}"
        places = [folder / name / inner for name in names]
        if number % _IN_A_FOLDER == 0:
            for place in places:
                make_folder(place)
        random = np.random.Generator(np.random.Philox(number))
        pixels = random.integers(0, 256, (_SIDE, _SIDE), dtype=np.uint8)
        name = f"image-{number:07}.png"
        Image.fromarray(pixels).save(places[0] / name)
        (places[1] / name).write_bytes(masks[number % _FORMS])
        (places[2] / name).write_bytes(maps[number * 7 % _FORMS])
    (folder / "whole").write_bytes(b"")
    return folder


def _forms(levels: int) -> Iterator[bytes]:
    """PNGs of a square each, of 255 or of as many lower levels."""
    for number in range(_FORMS):
        form = np.zeros((_SIDE, _SIDE), dtype=np.uint8)
        top, left = number % 8, number // 8
        form[top : top + 8, left : left + 8] = 255 - 3 * (number % levels)
        file = BytesIO()
        Image.fromarray(form).save(file, "png")
        yield file.getvalue()


def _network(folder: Path) -> Path:
    """A small network that was hardly trained, as a checkpoint and as ONNX."""
    run = folder / "run"
    if not (folder / "model.onnx").is_file():
        make_folder(folder)
        shutil.rmtree(run, ignore_errors=True)  # of a call that was killed
        _finished(["data", "make-scenes", str(folder / "scenes"), "--train", "16", "--test", "4",
                   "--size", "64"])  # fmt: skip
        _finished(["train", "--dataset-path", str(folder / "scenes"), "--checkpoint-dir", str(run),
                   "--backbone", "test_efficientnet", "--no-pretrained", "--num-experts", "3",
                   "--epochs", "1", "--skip-stage1", "--batch-size", "4", "--stage2-batch-size",
                   "4", "--img-size", "32", "--device", "cpu", "--num-workers", "0",
                   "--val-fraction", "0.3"])  # fmt: skip
        _finished(["export", str(run / "best_model.pth"), "--out", str(folder / "model.onnx")])
    return folder


def _words(way: str, data: Path, network: Path | None, out: Path) -> list[str]:
    tables = ["--json", str(out / f"{way}.json"), "--csv", str(out / f"{way}.csv")]
    masks = ["--dataset-path", str(data / "set"), "--workers", "1", "--device", "cpu"]
    make_folder(out)
    if way == "audit":
        return ["data", "audit", str(data / "set"), *tables[:2], "--workers", "1",
                "--manifest", str(out / "manifest.json")]  # fmt: skip
    if way == "evaluate":
        return ["evaluate", "--predictions", str(data / "maps"), *masks, *tables]
    assert network is not None
    model = network / ("model.onnx" if way == "predict" else "run/best_model.pth")
    if way == "evaluate-checkpoint":
        return ["evaluate", str(model), *masks, *tables]
    lines = ["--jsonl", str(out / f"{way}.jsonl")]
    return ["predict", str(model), str(data / "set/Imgs"), "--out", str(out / way), *lines,
            "--device", "cpu"]  # fmt: skip


def _finished(words: Sequence[str]) -> None:
    _peak_of(list(words))


def _peak_of(words: list[str]) -> float:
    """The peak of a command, MiB; it must succeed."""
    command = [sys.executable, "-m", "decamo", *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        said = child.stderr.read()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        raise DecamoError(f"decamo {words[0]}", f"failed ({' '.join(last)})", "run it by hand")
    return used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _peaks_text(peaks: Sequence[Peak]) -> str:
    counts = sorted({peak.images for peak in peaks})
    by_way = {(peak.way, peak.images): peak.mib for peak in peaks}
    header = ["command", *(f"{count} images" for count in counts), "growth", "bytes an image"]
    rows = []
    for way in dict.fromkeys(peak.way for peak in peaks):
        each = [by_way[way, count] for count in counts]
        more = ["", ""]
        if len(counts) > 1:
            grown = each[-1] - each[-2]
            an_image = grown * 2**20 / (counts[-1] - counts[-2])
            more = [f"{grown / each[-2]:.1%}", f"{an_image:.0f}"]
        rows.append([WAYS[way], *(f"{mib:.0f} MiB" for mib in each), *more])
    return (
        f"{epoch_rows(header, rows)}\n"
        "the greatest resident set of one process; growth and bytes from the last number of images"
        f" but one to the last; images of {_SIDE} x {_SIDE} px"
    )
