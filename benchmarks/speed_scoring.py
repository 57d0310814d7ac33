"""From launch to table: maps beside a plain pysodmetrics loop, a network beside an older build.

Each is a process of its own, started in turn; bytecode is compiled by a first round that counts
for nothing.
"""

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.children import Command, fresh_bytecode, timed
from benchmarks.speed_launch import PASSES
from benchmarks.speed_lines import Line, line_of_rounds
from decamo.data.layouts import find_pairs
from decamo.errors import SettingsError
from decamo.flags import Parser

__all__ = ["add_scoring", "scoring_lines", "write_maps"]

_MAPS_GOAL, _NETWORK_GOAL = 25.0, 2.0
_OURS = "import sys; from decamo.cli import main; sys.exit(main())"
_LOOP = """
import sys, warnings
from pathlib import Path
import numpy as np
import py_sod_metrics as sod
from PIL import Image

warnings.simplefilter("ignore")
maps, masks = map(Path, sys.argv[1:])
handlers = {
    name: getattr(sod, f"{name}Handler")(
        with_dynamic=True, with_adaptive=True, with_binary=name in ("IOU", "DICE")
    )
    for name in ("Fmeasure", "Precision", "Recall", "IOU", "DICE")
}
suites = [
    sod.FmeasureV2(handlers), sod.Smeasure(), sod.Emeasure(), sod.WeightedFmeasure(), sod.MAE()
]
for path in sorted(maps.glob("*.png")):
    grey = np.asarray(Image.open(path).convert("L"))
    mask = np.asarray(Image.open(masks / path.name).convert("L"))
    for suite in suites:
        suite.step(grey, mask)
print([suite.get_results() for suite in suites][-1])
"""


def add_scoring(parser: Parser) -> None:
    """Flags of ``python -m benchmarks speed --only scoring``."""
    add = parser.add_argument
    add("--scoring-masks", type=Path, metavar="DIR", help="PNG masks, for which maps are made up")
    add("--scoring-data", type=Path, metavar="PATH", help="a data set to score a network on")
    add("--scoring-checkpoint", type=Path, metavar="FILE", help="which both builds can read")
    add("--before", type=Path, metavar="WORKTREE", help="of the older build, such as 01950fe")


def scoring_lines(args: argparse.Namespace) -> tuple[list[Line], str]:
    """How many times faster maps and a network are scored; and what was left out, and why."""
    lines: list[Line] = []
    left_out: list[str] = []
    if args.scoring_masks is None:
        left_out.append("maps: name masks with --scoring-masks")
    elif importlib.util.find_spec("py_sod_metrics") is None:
        left_out.append("maps: pip install pysodmetrics")
    else:
        lines.append(_maps_line(args.scoring_masks, args.rounds))
    if None in (args.scoring_data, args.scoring_checkpoint, args.before):
        wanted = "--scoring-data, --scoring-checkpoint and --before"
        left_out.append(f"a network beside an older build: give {wanted}")
    else:
        lines += _network_lines(
            args.scoring_data, args.scoring_checkpoint, args.before, args.rounds
        )
    return lines, f"scoring: skipped: {'; '.join(left_out)}" if left_out else ""


def _maps_line(masks: Path, rounds: int) -> Line:
    with tempfile.TemporaryDirectory() as folder:
        maps = Path(folder) / "maps"
        count = write_maps(masks, maps)
        ours = [sys.executable, "-c", _OURS, "evaluate", "--predictions", f"maps={maps}",
                "--masks", f"masks={masks}"]  # fmt: skip
        loop = [sys.executable, "-c", _LOOP, str(maps), str(masks)]
        with fresh_bytecode() as environment:
            return _line(
                f"plain loop over pysodmetrics / evaluate --predictions, {count} maps",
                _ratios([partial(timed, loop, environment), partial(timed, ours, environment)],
                        rounds),
                _MAPS_GOAL,
            )  # fmt: skip


def _network_lines(data: Path, checkpoint: Path, before: Path, rounds: int) -> list[Line]:
    command = [sys.executable, "-c", _OURS, "evaluate", str(checkpoint.absolute()),
               "--dataset-path", str(data.absolute())]  # fmt: skip
    images = len(find_pairs([data], "test").pairs)
    passes = [sys.executable, "-c", PASSES, str(checkpoint.absolute()), str(images)]
    with fresh_bytecode() as environment:
        older = environment | {"PYTHONPATH": str(before.absolute() / "src")}
        ways = [
            partial(timed, command, older),
            partial(timed, command, environment),
            partial(timed, passes, environment),
        ]
        spent = [[one().seconds for one in ways] for _ in range(rounds + 1)][1:]
    what = "evaluate CHECKPOINT by the older build / "
    return [
        _line(f"{what}decamo", [old / new for old, new, _ in spent], _NETWORK_GOAL),
        _line(
            f"{what}loading it and its passes alone", [old / least for old, _, least in spent], None
        ),
    ]


def write_maps(masks: Path, folder: Path) -> int:
    """Maps such as a network makes for PNG masks: soft, with misses and a faint ground; how many.

    Raises:
        SettingsError: there is no PNG.
    """
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    paths = sorted(masks.glob("*.png"))
    if not paths:
        raise SettingsError("--scoring-masks", f"no PNG in {masks}", "name a folder of masks")
    for path in paths:
        mask = Image.open(path).convert("L")
        width, height = mask.size
        soft = np.asarray(mask.filter(ImageFilter.GaussianBlur(6)), dtype=np.float32) / 255
        coarse = rng.normal(size=(max(2, height // 24), max(2, width // 24))).astype(np.float32)
        wide = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        noise = np.asarray(wide)
        logits = np.clip(10 * (soft - 0.5), -4.3, 4) + 1.4 * noise
        logits += 1.5 * np.maximum(noise, 0) ** 2
        grey = np.round(255 / (1 + np.exp(-logits))).astype(np.uint8)
        Image.fromarray(grey).save(folder / path.name)
    return len(paths)


def _ratios(both: Sequence[Callable[[], Command]], rounds: int) -> list[float]:
    spent = [[one().seconds for one in both] for _ in range(rounds + 1)]
    return [theirs / ours for theirs, ours in spent[1:]]


def _line(what: str, ratios: Sequence[float], goal: float | None) -> Line:
    return line_of_rounds("scoring", what, ratios, goal, at_most=False)
