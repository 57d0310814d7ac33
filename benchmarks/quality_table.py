"""A comparison as Markdown."""

import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.quality_costs import NetworkCost
from benchmarks.quality_gaps import Gap
from benchmarks.quality_scores import SCORES, SHARES, Score, SetScores

__all__ = ["costs_markdown", "gaps_markdown", "scores_markdown", "table"]

_WORDS = {"iou": "IoU", "dice": "Dice", "mae": "MAE", "s": "S", "weighted_f": "wF"}
_LARGE = 0.2  # of the image: the largest group of `decamo evaluate --by size`
_CALIBRATION = ("ECE", "found of object", "where 20 % and more are object")


def costs_markdown(
    costs: Mapping[str, NetworkCost], reference: str, epochs: Mapping[str, int]
) -> str:
    """Size, operations, time and memory of each network.

    Args:
        costs: name -> cost.
        reference: name of the network that times are compared with.
        epochs: name -> epochs that it gets.
    """
    header = [
        "network",
        "M parameters",
        "GFLOP",
        "training ms an image",
        f"x {reference}",
        "activations MB",
        "epochs",
    ]
    rows = [
        [
            name,
            f"{cost.parameters / 1e6:.2f}",
            f"{cost.flops / 1e9:.2f}",
            f"{1000 * cost.seconds:.1f}",
            f"{cost.ratio:.2f}",
            f"{cost.memory_bytes / 1e6:.0f}",
            str(epochs[name]),
        ]
        for name, cost in costs.items()
    ]
    return table(header, rows)


def scores_markdown(scores: Sequence[Score]) -> str:
    """A table for each test set: means over seeds, with their deviation where there are several."""
    networks = list(dict.fromkeys(score.network for score in scores))
    header = ["network", *(_WORDS[name] for name in SCORES), *_CALIBRATION, "seeds"]
    tables = []
    for dataset in dict.fromkeys(name for score in scores for name in score.sets):
        rows = []
        for network in networks:
            runs = [s.sets[dataset] for s in scores if s.network == network]
            cells = [_spread([run.mean(name) for run in runs]) for name in SCORES]
            rows.append([network, *cells, *_calibration(runs), str(len(runs))])
        images = len(next(s.sets[dataset].images for s in scores if dataset in s.sets))
        tables.append(f"**{dataset}**, {images} images\n\n{table(header, rows)}")
    return "\n\n".join(tables)


def _calibration(runs: Sequence[SetScores]) -> list[str]:
    """The cells of :data:`_CALIBRATION`; empty where a run is from before they were measured."""
    errors = [run.ece for run in runs if run.ece is not None and set(SHARES) <= set(run.scores)]
    if len(errors) < len(runs):
        return [""] * len(_CALIBRATION)
    return [_spread(errors), _found(runs, 0.0), _found(runs, _LARGE)]


def _found(runs: Sequence[SetScores], least: float) -> str:
    """Shares of pixels found and of the object, over images whose object is not too small."""
    chosen = [(run, run.array("object_share") >= least) for run in runs]
    if not all(some.any() for _, some in chosen):
        return ""
    return " of ".join(
        f"{np.mean([run.array(share)[some].mean() for run, some in chosen]):.3f}"
        for share in SHARES
    )


def gaps_markdown(gaps: Sequence[Gap]) -> str:
    """How much better our networks are than the best peer; empty without one of either."""
    if not gaps:
        return ""
    header = ["test set", "network", "peer", "score", "better by", "95 % interval", "seeds"]
    rows = [
        [
            gap.dataset,
            gap.ours,
            gap.peer,
            _WORDS[gap.score],
            f"{gap.difference:+.4f}",
            f"{gap.low:+.4f} to {gap.high:+.4f}",
            str(gap.seeds),
        ]
        for gap in gaps
    ]
    return table(header, rows)


def _spread(values: Sequence[float]) -> str:
    mean = f"{statistics.fmean(values):.4f}"
    return f"{mean} ± {statistics.stdev(values):.4f}" if len(values) > 1 else mean


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells; the first column stands left, the others right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))
