"""The forecast held against the recorded curves, each left out of what its intervals rest on."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.forecast_backtest import (
    CUTS,
    HORIZONS,
    Bet,
    Trial,
    bets,
    coverage,
    trials,
    widening_for,
)
from decamo.diagnosis.fan import WIDENING
from decamo.errors import DataError
from decamo.flags import Parser, write_json
from decamo.history import TrainingLog, read_training_log
from decamo.report import epoch_rows

__all__ = ["add_arguments", "run"]

CURVES = Path(__file__).parents[1] / "docs" / "results" / "curves"
"""Where a checkout of the repository keeps its recorded curves."""

LEAST_RUNS = 2


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks forecast``."""
    parser.add_argument(
        "--curves",
        type=Path,
        default=CURVES,
        metavar="DIR",
        help="recorded curves, a CSV a run (default: docs/results/curves of this checkout)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def run(args: argparse.Namespace) -> int:
    """Foretell, look up and print; returns the exit code."""
    pasts = _read(args.curves)
    tried = [t for name, past in pasts.items() for t in trials(name, past)]
    names = list(dict.fromkeys(t.run for t in tried))
    if len(names) < LEAST_RUNS:
        got = f"{len(names)} curves that are long enough"
        raise DataError(args.curves, got, f"record {LEAST_RUNS} or more")
    left_out = {name: widening_for([t for t in tried if t.run != name]) for name in names}
    by_run = [[t for t in tried if t.run == name] for name in names]
    by_cut = [[t for t in tried if (t.run, t.cut) == cut] for cut in _cuts(tried)]
    asked = [b for name in names for b in bets(name, pasts[name], widening=left_out[name])]
    report: dict[str, Any] = {
        "runs": [_row(mine[0].run, mine, left_out) for mine in by_run],
        "horizons": [_row(_label(span), _within(tried, span), left_out) for span in HORIZONS],
        "all": _row("all", tried, left_out),
        "forecasts": len(by_cut),
        "forecasts_nearer_than_last": sum(map(_nearer, by_cut)),
        "runs_nearer_than_last": sum(map(_nearer, by_run)),
        "widening": WIDENING,
        "widening_asked_for": widening_for(tried),
        "chances": _chances(asked),
    }
    _print(report)
    write_json(args.json, report)
    return 0


def _print(report: Mapping[str, Any]) -> None:
    whole = report["all"]
    print(_table("run", [*report["runs"], whole]))
    print()
    print(_table("epochs ahead", report["horizons"]))
    print(
        f"\n{whole['runs']} runs, cut after {', '.join(f'{c:.0%}' for c in CUTS)} of their epochs:"
        f" {report['forecasts']} forecasts, {whole['epochs']} epochs foretold.\n"
        "Epochs of a forecast go together, and so do forecasts of a run and runs on the same data:"
        "\nwhat counts is the number of runs, and these are few.\n"
        f"80 % intervals hold the truth in {whole['left_out']:.0%} of the epochs, each run's"
        " widening found on the others,\n"
        f"and in {whole['shipped']:.0%} with the shipped widening of {report['widening']:g}"
        f" (means over runs; all together ask for {report['widening_asked_for']:.2f}).\n"
        "The median is nearer than the last value, in the mean, in"
        f" {report['runs_nearer_than_last']} of {whole['runs']} runs and"
        f" {report['forecasts_nearer_than_last']} of {report['forecasts']} forecasts.\n\n"
        "Chances, with each run's widening found on the others:"
    )
    rows = [
        [f"+{c['gain']:.3f}", f"{c['foretold']:.0%}", f"{c['came']:.0%}", f"{c['brier']:.3f}"]
        for c in report["chances"]
    ]
    print(epoch_rows(["gain over the best so far", "foretold", "came", "Brier"], rows))


def _read(folder: Path) -> dict[str, TrainingLog]:
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise DataError(folder, "holds no recorded curve", "give --curves DIR with a CSV a run")
    return {file.stem: read_training_log([file]) for file in files}


def _within(tried: Sequence[Trial], span: tuple[int, int]) -> list[Trial]:
    return [t for t in tried if span[0] <= t.ahead <= span[1]]


def _label(span: tuple[int, int]) -> str:
    return f"{span[0]} to {span[1]}" if span != HORIZONS[-1] else f"{span[0]} and more"


def _row(name: str, tried: Sequence[Trial], left_out: dict[str, float]) -> dict[str, object]:
    return {
        "name": name,
        "runs": len({t.run for t in tried}),
        "epochs": len(tried),
        "left_out": coverage(tried, left_out),
        "shipped": coverage(tried),
        "error": float(np.median([t.error for t in tried])) if tried else np.nan,
        "naive": float(np.median([t.naive for t in tried])) if tried else np.nan,
    }


def _cuts(tried: Sequence[Trial]) -> list[tuple[str, int]]:
    return sorted({(t.run, t.cut) for t in tried})


def _nearer(tried: Sequence[Trial]) -> bool:
    errors, naive = np.mean([(t.error, t.naive) for t in tried], axis=0)
    return bool(errors < naive)


def _table(what: str, rows: Sequence[dict[str, object]]) -> str:
    header = [what, "runs", "epochs", "80 % left out", "shipped", "median |error|", "last value"]
    cells = [
        [
            f"{row['name']}",
            f"{row['runs']}",
            f"{row['epochs']}",
            f"{row['left_out']:.0%}",
            f"{row['shipped']:.0%}",
            f"{row['error']:.4f}",
            f"{row['naive']:.4f}",
        ]
        for row in rows
    ]
    return epoch_rows(header, cells)


def _chances(asked: Sequence[Bet]) -> list[dict[str, float]]:
    """By gain: mean chance foretold, how often it came, and the Brier score."""
    rows = []
    for gain in dict.fromkeys(b.gain for b in asked):
        chance, came = np.array([(b.chance, b.came) for b in asked if b.gain == gain], float).T
        brier = float(np.mean((chance - came) ** 2))
        row = {"gain": gain, "foretold": float(chance.mean()), "came": float(came.mean())}
        rows.append(row | {"brier": brier})
    return rows
