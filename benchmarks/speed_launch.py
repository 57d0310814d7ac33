"""From launch to maps, beside an earlier build in its own processes, in turns with it."""

import argparse
import math
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from benchmarks.children import Command, fresh_bytecode, timed
from benchmarks.speed_lines import Line, Part, line_of_rounds
from decamo.errors import DecamoError
from decamo.flags import Parser

__all__ = ["PASSES", "Builds", "add_arguments", "folder_lines", "launch_lines"]

_ONE_CHECKPOINT, _ONE_EXPORTED, _HUGE_MEMORY = 0.55, 1 / 12, 0.5
_MANY_CHECKPOINT, _MANY_EXPORTED = 3.0, 5.0
_HUGE = (8000, 6000)  # px, width and height
_ROUNDED = 1  # level of grey: an export's probabilities differ by no more than rounding


def add_arguments(parser: Parser) -> None:
    """Flags of the parts ``launch`` and ``folder``, but for ``--before``, which scoring has too."""
    add = parser.add_argument
    add("--checkpoint", type=Path, metavar="FILE",
        help="of launch and folder: one that both builds read")  # fmt: skip
    add("--exported", type=Path, metavar="FILE", help="of launch and folder: the same, exported")
    add("--photos", type=Path, metavar="DIR", help="of launch and folder: photographs, no folders")


@dataclass(frozen=True)
class Builds:
    """This build and an earlier one, which predict the same with one network.

    Attributes:
        before: worktree of the earlier one.
        checkpoint: of the network.
        exported: the same network.
        photos: the photographs.
        work: folder for what is written.
        rounds: of which medians are taken, after one that warms up.
        environment: of processes that run this build.
    """

    before: Path
    checkpoint: Path
    exported: Path
    photos: tuple[Path, ...]
    work: Path
    rounds: int
    environment: Mapping[str, str]

    @staticmethod
    @contextmanager
    def of(args: argparse.Namespace) -> Iterator["Builds"]:
        """What the flags name, for as long as this block takes."""
        photos = tuple(sorted(path for path in args.photos.iterdir() if path.is_file()))
        with tempfile.TemporaryDirectory() as work, fresh_bytecode() as environment:
            yield Builds(
                args.before, args.checkpoint, args.exported, photos, Path(work), args.rounds,
                environment,
            )  # fmt: skip

    def old(self, images: Sequence[Path]) -> Command:
        """The earlier build, with the checkpoint."""
        module = "decamo" if (self.before / "src/decamo/__main__.py").exists() else "decamo.cli"
        older = {**self.environment, "PYTHONPATH": str(self.before.absolute() / "src")}
        return self._run(older, module, self.checkpoint, images, "old")

    def new(self, images: Sequence[Path]) -> Command:
        """This build, with the checkpoint."""
        return self._run(self.environment, "decamo", self.checkpoint, images, "new")

    def from_exported(self, images: Sequence[Path]) -> Command:
        """This build, with the exported network."""
        return self._run(self.environment, "decamo", self.exported, images, "exported")

    def imports(self) -> Command:
        """Nothing but loading torch and timm, without looks for garbage: the least there is."""
        code = "import gc; gc.disable(); import torch, timm"
        return timed([sys.executable, "-c", code], self.environment)

    def passes(self) -> Command:
        """Loading the checkpoint and a pass a photograph: what no way to their maps goes below."""
        words = [sys.executable, "-c", PASSES, str(self.checkpoint), str(len(self.photos))]
        return timed(words, self.environment)

    def exported_passes(self) -> Command:
        """The same of the exported network."""
        words = [sys.executable, "-c", _EXPORTED_PASSES, str(self.exported), str(len(self.photos))]
        return timed(words, self.environment)

    def maps(self, name: str) -> Path:
        """Where the maps of a build lie: ``old``, ``new`` or ``exported``."""
        return self.work / name

    def _run(
        self,
        environment: Mapping[str, str],
        module: str,
        network: Path,
        images: Sequence[Path],
        name: str,
    ) -> Command:
        shutil.rmtree(self.maps(name), ignore_errors=True)
        words = [sys.executable, "-m", module, "predict", str(network), *map(str, images)]
        return timed([*words, "--out", str(self.maps(name)), "--device", "cpu"], environment)


PASSES = """
import sys
from pathlib import Path

import torch

from decamo.inference.load_model import load_model

loaded = load_model(Path(sys.argv[1]))
image = torch.zeros(1, 3, loaded.img_size, loaded.img_size, dtype=torch.uint8)
with torch.inference_mode():
    for _ in range(int(sys.argv[2])):
        loaded.model(loaded.model.normalize(image))
"""
"""Loads a checkpoint and passes so many images through its network; reads and writes none."""

_EXPORTED_PASSES = """
import sys
from pathlib import Path

import numpy as np

from decamo.export.exported_predictor import open_exported

_, predictor = open_exported(Path(sys.argv[1]))
seen = [predictor.prepare(np.zeros((predictor.size, predictor.size, 3), np.uint8))]
for _ in range(int(sys.argv[2])):
    predictor.look(seen)
"""


def launch_lines(args: argparse.Namespace) -> tuple[list[Line], str]:
    """One photograph from launch to written map, and the memory that a huge one takes."""
    if missing := _missing(args):
        return [], f"launch: skipped: {missing}"
    with Builds.of(args) as builds:
        old, new, exported, imports = _rounds(builds, builds.photos[:1], [builds.imports])
        ratios = [n.seconds / o.seconds for n, o in zip(new, old, strict=True)]
        others = [e.seconds / o.seconds for e, o in zip(exported, old, strict=True)]
        floor = [i.seconds / o.seconds for i, o in zip(imports, old, strict=True)]
        differing = _differing(builds, "launch")  # the next run clears what these have written
        huge = builds.work / "huge.jpg"
        _huge_photograph(huge)
        peaks = [way([huge]).mib for way in (builds.old, builds.new, builds.from_exported)]
        shares = [peak / peaks[0] for peak in peaks[1:]]
        what = "launch to map of one photograph"
        peak = f"peak memory, {_HUGE[0]:,} x {_HUGE[1]:,} px"
        return [
            line_of_rounds("launch", f"{what}, best_model.pth / before", ratios, _ONE_CHECKPOINT),
            line_of_rounds("launch", "import torch and timm, nothing else / before", floor),
            line_of_rounds("launch", f"{what}, exported / before", others, _ONE_EXPORTED),
            line_of_rounds("launch", f"{peak}, best_model.pth / before", shares[:1], _HUGE_MEMORY),
            line_of_rounds("launch", f"{peak}, exported / before", shares[1:], _HUGE_MEMORY),
        ], differing or _differing(builds, "launch")


def folder_lines(args: argparse.Namespace) -> tuple[list[Line], str]:
    """A folder of photographs from launch to maps, images a second."""
    if missing := _missing(args):
        return [], f"folder: skipped: {missing}"
    with Builds.of(args) as builds:
        least = [builds.passes, builds.exported_passes]
        old, new, exported, *floors = _rounds(builds, builds.photos, least)
        what = f"{len(builds.photos)} photographs to maps, images/s"
        alone = f"{what}, loading and passes of the network alone"
        own, its = ([o.seconds / p.seconds for o, p in zip(old, f, strict=True)] for f in floors)
        return [
            _at_least("folder", f"{what}, best_model.pth / before", old, new, _MANY_CHECKPOINT),
            line_of_rounds("folder", alone, own),
            _at_least("folder", f"{what}, exported / before", old, exported, _MANY_EXPORTED),
            line_of_rounds("folder", f"{alone}, exported", its),
        ], _differing(builds, "folder")


def _missing(args: argparse.Namespace) -> str:
    names = ("before", "checkpoint", "exported", "photos")
    missing = [f"--{name}" for name in names if getattr(args, name) is None]
    return f"give {', '.join(missing)}" if missing else ""


def _rounds(
    builds: Builds, images: Sequence[Path], least: Sequence[Callable[[], Command]]
) -> list[list[Command]]:
    """Commands of the earlier build, of this one, and of this one with the exported network.

    Args:
        builds: the two.
        images: to predict.
        least: timed as well: what the second and the third cannot go below.
    """
    ways: list[Callable[[], Command]] = [
        partial(way, images) for way in (builds.old, builds.new, builds.from_exported)
    ]
    ways += least
    found: list[list[Command]] = [[] for _ in ways]
    for _ in range(builds.rounds + 1):
        for way, commands in zip(ways, found, strict=True):
            commands.append(way())
    return [commands[1:] for commands in found]


def _at_least(
    part: Part, what: str, old: Sequence[Command], new: Sequence[Command], goal: float
) -> Line:
    ratios = [o.seconds / n.seconds for n, o in zip(new, old, strict=True)]
    return line_of_rounds(part, what, ratios, goal, at_most=False)


def _differing(builds: Builds, part: str) -> str:
    """Which maps of this build are not the earlier one's; empty where all are, as they should be.

    Those of the exported network may be off by :data:`_ROUNDED`.

    Raises:
        DecamoError: a build has written no maps, or none of an image that the other has.
    """
    found = []
    wanted = {path.name for path in builds.maps("old").glob("*.png")}
    for name, most in (("new", 0), ("exported", _ROUNDED)):
        maps = builds.maps(name)
        written = {path.name for path in maps.glob("*.png")}
        if not written or written != wanted:
            got = f"{len(written)} maps ({name}) beside {len(wanted)} of the earlier build"
            raise DecamoError(part, got, "run predict of both by hand")
        apart = [_apart(builds.maps("old") / one, maps / one) > most for one in sorted(wanted)]
        if any(apart):
            such = sorted(wanted)[apart.index(True)]
            found.append(f"{sum(apart)} maps differ ({name}), such as {such}")
    return f"{part}: {'; '.join(found)}" if found else ""


def _apart(one: Path, other: Path) -> float:
    """Largest difference of two maps, in levels of grey; infinite where their shapes differ."""
    with _any_size(), Image.open(one) as first, Image.open(other) as second:
        if first.size != second.size or first.mode != second.mode:
            return math.inf
        return float(np.asarray(ImageChops.difference(first, second)).max())


@contextmanager
def _any_size() -> Iterator[None]:
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _huge_photograph(path: Path) -> None:
    rng = np.random.default_rng(0)
    soft = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    soft.resize(_HUGE, Image.Resampling.BICUBIC).save(path, quality=90)
