"""What each part of the network and of its recipe is worth: one thing changed at a time."""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from typing import Any

import torch

from benchmarks.ablation_elsewhere import rows_elsewhere
from benchmarks.ablation_rows import BASE, ROWS, Row
from benchmarks.quality_costs import NetworkCost, known_costs, measure_costs
from benchmarks.quality_flags import add_terms, terms_of
from benchmarks.quality_gaps import Gap, gap_of
from benchmarks.quality_runs import scored
from benchmarks.quality_scores import Score, sets_under
from benchmarks.quality_table import table
from benchmarks.quality_terms import everything_trains
from benchmarks.quality_train import Ground
from decamo import __version__
from decamo.cluster.place import place_of
from decamo.cluster.tasks import Place
from decamo.data.kept_memory import keep_freed_memory
from decamo.evaluation import Measurer, Rules
from decamo.flags import Parser, add_place, place_given, write_json
from decamo.stop_signals import stop_requests
from decamo.storage import make_folder
from decamo.training.runtime import open_runtime

__all__ = ["add_arguments", "run"]

Scores = dict[str, dict[int, Score]]
"""Name of the row -> seed -> score."""


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks ablation``."""
    add = parser.add_argument_group("what is taken apart").add_argument
    add("--rows", nargs="+", default=list(ROWS), choices=list(ROWS), metavar="NAME",
        help=f"of {', '.join(ROWS)} (all)")  # fmt: skip
    add("--base", default=BASE.name, choices=[BASE.name, *ROWS], metavar="NAME",
        help="row that the others are compared with (base)")  # fmt: skip
    add_terms(parser, work="runs/ablation")
    add_place(parser, "run")


def run(args: argparse.Namespace) -> int:
    """Train what is not trained yet, score it, print; returns the exit code.

    128 + the number of the signal that stopped it; the same command goes on.
    """
    keep_freed_memory(trains=True)  # as `decamo train` does
    base, common = {BASE.name: BASE, **ROWS}[args.base], terms_of(args)
    rows = [base, *(ROWS[name] for name in dict.fromkeys(args.rows) if name != base.name)]
    make_folder(args.work)
    runtime = open_runtime(common.device, common.precision)
    sets = sets_under(common.dataset_path)
    splits = everything_trains(common, args.work / "census.json")
    costs = {
        row.name: known_costs(
            args.work / f"costs-{row.terms(common).img_size}.json",
            [row.entry],
            base.entry,
            row.terms(common),
            lambda some, row=row: measure_costs(  # type: ignore[misc]
                some, base.entry, row.terms(common), runtime, args.rounds
            ),
        )[row.entry.name]
        for row in rows
    }
    scores: Scores = {row.name: {} for row in rows}
    where = _place(args)
    with where as place, stop_requests() as asked, Measurer(1, Rules()) as measurer:
        asked.patient = True
        ground = Ground(args.work, common, splits, runtime, asked.why, time.monotonic, _say)
        if not place.here and (why := rows_elsewhere(ground, rows, args.seeds, sets, place)):
            _say(f"stopped {why}; the same command goes on")
            return 128 + asked.number
        for seed in range(args.seeds):
            for row in rows:
                its = replace(ground, terms=row.terms(common))
                score = scored(its, row.entry, seed, common.epochs, sets, measurer)
                if score is None:
                    _say(f"stopped {asked.why()}; the same command goes on")
                    return 128 + asked.number
                scores[row.name][seed] = score
    gaps = _gaps(rows, scores)
    print(_text(args, rows, costs, scores, gaps))
    write_json(args.json, _report(rows, costs, scores, gaps))
    return 0


def _place(args: argparse.Namespace) -> AbstractContextManager[Place]:
    on, share = place_given(args, "run")
    return place_of(
        on, share, args.work,
        device=args.device, precision=args.precision, threads=torch.get_num_threads(),
    )  # fmt: skip


def _gaps(rows: Sequence[Row], scores: Scores) -> list[Gap]:
    """IoU of each row less that of the first, the base, paired by seed and image."""
    base = scores[rows[0].name]
    return [
        gap_of(dataset, "iou", (row.name, rows[0].name), [(one, base[s]) for s, one in own.items()])
        for row in rows[1:]
        for own in [scores[row.name]]
        for dataset in base[0].sets
    ]


def _text(
    args: argparse.Namespace,
    rows: Sequence[Row],
    costs: Mapping[str, NetworkCost],
    scores: Scores,
    gaps: Sequence[Gap],
) -> str:
    datasets = list(scores[rows[0].name][0].sets)
    header = ["changed", "", "M param.", "GFLOP", "x time", *(f"IoU {name}" for name in datasets)]
    by_row = {(gap.ours, gap.dataset): gap for gap in gaps}
    lines = []
    for row in rows:
        cost = costs[row.name]
        cells = [_cell(scores[row.name], name, by_row.get((row.name, name))) for name in datasets]
        size = [f"{cost.parameters / 1e6:.2f}", f"{cost.flops / 1e9:.2f}", f"{cost.ratio:.2f}"]
        lines.append([row.group, row.name, *size, *cells])
    told = (
        f"{args.backbone}, {args.img_size} px, {args.epochs} epochs, seeds 0 to {args.seeds - 1}."
        " IoU is the mean over images at the masks'"
        " stored size; behind it its difference to the base, paired by seed and image, with a"
        " 95 % interval over both. Time is that of a forward and backward pass, beside"
        " the base of the same image size; what test-time views cost is not in it."
    )
    return f"{table(header, lines)}\n\n{told}"


def _cell(own: Mapping[int, Score], dataset: str, gap: Gap | None) -> str:
    mean = sum(score.sets[dataset].mean("iou") for score in own.values()) / len(own)
    if gap is None:
        return f"{mean:.4f}"
    return f"{mean:.4f}, {gap.difference:+.4f} ({gap.low:+.4f} to {gap.high:+.4f})"


def _report(
    rows: Sequence[Row], costs: Mapping[str, NetworkCost], scores: Scores, gaps: Sequence[Gap]
) -> dict[str, Any]:
    return {
        "decamo": __version__,
        "rows": [
            {
                "name": row.name,
                "group": row.group,
                "cost": asdict(costs[row.name]),
                "runs": [score.plain() for score in scores[row.name].values()],
                "gaps": [asdict(gap) for gap in gaps if gap.ours == row.name],
            }
            for row in rows
        ],
    }


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
