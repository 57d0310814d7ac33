"""Networks compared by quality on photographs: same data, weights, epochs, size and recipe."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.quality_costs import NetworkCost, epochs_in_time, known_costs, measure_costs
from benchmarks.quality_flags import (
    add_hold_out,
    add_terms,
    check_hold_out,
    images_of,
    terms_of,
)
from benchmarks.quality_gaps import Gap, gaps_beside, gaps_to_best
from benchmarks.quality_peers import PEERS
from benchmarks.quality_recipes import OURS, entries_of, entry_of
from benchmarks.quality_runs import scored
from benchmarks.quality_scores import Score, kept_score
from benchmarks.quality_table import costs_markdown, gaps_markdown, scores_markdown
from benchmarks.quality_train import Ground
from decamo import __version__
from decamo.data.kept_memory import keep_freed_memory
from decamo.evaluation import Measurer, Rules
from decamo.flags import Parser, write_json
from decamo.stop_signals import stop_requests
from decamo.storage import make_folder
from decamo.training.runtime import open_runtime

__all__ = ["add_arguments", "run"]

_SHARED = (
    "Scores are by the plain protocol (docs/protocol.md)."
    " Every network has the same images in the same order with the same draws of augmentation, the"
    " same file of encoder weights, AdamW, one cycle, gradients clipped at norm 1, and the last"
    " weights are scored: nothing is chosen on test images. By the protocol recipe the rate is"
    " 0.001 (encoder 0.0001), the loss is weighted cross-entropy and weighted IoU (F3Net), and"
    " augmentation is flip, crop and brightness. By its own recipes decamo has two images a step at"
    " 0.0004 (encoder 0.00012), crops half-way to the whole image, deep supervision and a moving"
    " average; what it sees is enlarged by one of 0.78, 1 and 1.22 in each step. decamo-own has the"
    " whole loss and enlarges its input by 1.5; the others have one expert, or a dense block, and"
    " neither cross-entropy nor outline in the loss. native reads a square of 1.5 times the side"
    " from the file, large one of 11/6, of which two steps of three see a smaller one, fovea one of"
    " 3 times, of which it sees a third first and then a window. Peers"
    " train their BatchNorm, encoder and all, as users of segmentation-models-pytorch have it;"
    " decamo keeps the encoder's statistics frozen."
)


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks quality``."""
    add = parser.add_argument_group("what is compared").add_argument
    add("--peers", nargs="*", default=list(PEERS), choices=list(PEERS), metavar="NAME",
        help=f"of {', '.join(PEERS)} (all)")  # fmt: skip
    add("--ours", nargs="*", default=list(OURS), choices=list(OURS), metavar="NAME",
        help=f"of {', '.join(OURS)} (all)")  # fmt: skip
    add("--network", nargs="*", default=[], metavar="NAME",
        help="any others, as `decamo train --network` names them; FILE.py:FUNCTION and"
        " transformers:CLASS@PLACE load the encoder's weights themselves")  # fmt: skip
    add("--equal-time", action="store_true",
        help="each network has the epochs that fit into the reference's time")  # fmt: skip
    add("--reference", default="FPN", choices=[*PEERS, *OURS], metavar="NAME",
        help="network whose time is 1 (FPN)")  # fmt: skip
    add("--beside", nargs="+", type=Path, default=[], metavar="FILE",
        help="scores that another build kept: ours are compared with them too")  # fmt: skip
    add_hold_out(parser)
    add_terms(parser, work="runs/quality")


def run(args: argparse.Namespace) -> int:
    """Train what is not trained yet, score it, print; returns the exit code.

    128 + the number of the signal that stopped it; the same command goes on.
    """
    check_hold_out(args)
    keep_freed_memory(trains=True)  # as `decamo train` does: peers and ours alike
    entries, terms = entries_of([*args.peers, *args.ours], args.network), terms_of(args)
    make_folder(args.work)
    runtime = open_runtime(terms.device, terms.precision)
    splits, _, sets = images_of(args, terms)
    reference = entry_of(args.reference)
    costs = known_costs(
        args.work / "costs.json",
        entries,
        reference,
        terms,
        lambda some: measure_costs(some, reference, terms, runtime, args.rounds),
    )
    epochs = {
        e.name: epochs_in_time(costs[e.name], terms.epochs) if args.equal_time else terms.epochs
        for e in entries
    }
    with stop_requests() as asked, Measurer(1, Rules()) as measurer:
        asked.patient = True
        ground = Ground(args.work, terms, splits, runtime, asked.why, time.monotonic, _say)
        scores: list[Score] = []
        for seed in range(args.seeds):
            for entry in entries:
                score = scored(ground, entry, seed, epochs[entry.name], sets, measurer)
                if score is None:
                    _say(f"stopped {asked.why()}; the same command goes on")
                    return 128 + asked.number
                scores.append(score)
    shown = {e.name: costs[e.name] for e in entries}
    gaps = [
        *gaps_to_best(scores, list(OURS)),
        *gaps_beside(scores, list(OURS), [kept_score(path) for path in args.beside]),
    ]
    print(_text(args, shown, epochs, scores, gaps))
    write_json(args.json, _report(args, shown, epochs, scores, gaps))
    return 0


def _text(
    args: argparse.Namespace,
    costs: dict[str, NetworkCost],
    epochs: dict[str, int],
    scores: Sequence[Score],
    gaps: Sequence[Gap],
) -> str:
    terms = (
        f"{args.backbone}, {args.img_size} px, batch {args.batch_size},"
        f" {scores[0].told['train_images']} training images, encoder from"
        f" {args.backbone_weights.name if args.backbone_weights else 'random weights'}."
    )
    timed = (
        "Times are medians of a forward and backward pass, loss included, measured in turns, each"
        f" with its recipe's batch; activations are what the forward pass of {args.batch_size}"
        " images keeps for the backward pass. Scores are means over images at the masks' stored"
        " size, IoU and Dice at 0.5; ± is the standard deviation over seeds. Test-time"
        f" augmentation, of every network alike: {scores[0].told['views']}; decision:"
        f" {scores[0].told['decision']}. ECE is the expected calibration error of a set; beside it"
        " stand the shares of pixels of 0.5 and above and of the object, means over images."
    )
    parts = [
        costs_markdown(costs, args.reference, epochs),
        scores_markdown(scores),
        gaps_markdown(gaps),
        f"{terms} {timed}",
        _SHARED,
    ]
    return "\n\n".join(part for part in parts if part)


def _report(
    args: argparse.Namespace,
    costs: dict[str, NetworkCost],
    epochs: dict[str, int],
    scores: Sequence[Score],
    gaps: Sequence[Gap],
) -> dict[str, Any]:
    return {
        "decamo": __version__,
        "protocol": _SHARED,
        "reference": args.reference,
        "equal_time": args.equal_time,
        "networks": {name: asdict(cost) | {"epochs": epochs[name]} for name, cost in costs.items()},
        "runs": [score.plain() for score in scores],
        "gaps": [asdict(gap) for gap in gaps],
    }


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
