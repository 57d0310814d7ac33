"""Where the time of a training step goes, part by part."""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.speed_network import NetworkTerms
from decamo.errors import SettingsError
from decamo.flags import Parser, write_json
from decamo.losses import Criterion
from decamo.nn import Segmenter
from decamo.report import epoch_rows
from decamo.training.optimizer_groups import build_optimizer
from decamo.training.runtime import Runtime

__all__ = ["PARTS", "Share", "add_arguments", "profile", "run"]

PARTS = ("backbone", "laterals and experts", "decoder and heads", "loss", "update")


@dataclass(frozen=True)
class Share:
    """What one part takes of a training step.

    Attributes:
        part: of :data:`PARTS`.
        forward: s, median over the rounds; of ``update`` all that it takes.
        backward: s, likewise.
        share: of the step.
    """

    part: str
    forward: float
    backward: float
    share: float


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks profile``."""
    parser.add_argument("--backbone", default="edgenext_base")
    parser.add_argument("--img-size", type=int, default=384, metavar="N", help="px (384)")
    parser.add_argument("--batch-size", type=int, default=2, metavar="N", help="images (2)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="steps, timed (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def run(args: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    for name in ("rounds", "batch_size"):
        if getattr(args, name) < 1:
            flag = f"--{name.replace('_', '-')}"
            raise SettingsError(flag, f"got {getattr(args, name)}", "give 1 or more")
    runtime = Runtime(torch.device("cpu"))
    terms = NetworkTerms(args.backbone, args.img_size, args.batch_size, args.rounds, runtime)
    shares = profile(terms)
    print(_text(shares, args))
    write_json(args.json, {"parts": [asdict(share) for share in shares]})
    return 0


def profile(terms: NetworkTerms) -> list[Share]:
    """Time a whole training step on one thread of the processor, cut where its parts meet.

    Backward, torch's engine takes up first what was computed last, so that the loss, decoder and
    heads, experts and laterals, and at last the backbone follow one another. A part begins when
    the first of the tensors that it handed on is taken up.
    """
    network = terms.build()
    optimizer = build_optimizer(network, 0.01)
    criterion = Criterion(deep_supervision=True)
    shape = (terms.batch_size, 1, terms.img_size, terms.img_size)
    mask = (torch.rand(shape, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rounds = [
            _step(network, optimizer, criterion, terms.image(), mask)
            for _ in range(terms.rounds + 1)
        ][1:]
    finally:
        torch.set_num_threads(before)
    forward, backward = (
        {part: statistics.median(spent[way].get(part, 0.0) for spent in rounds) for part in PARTS}
        for way in ("forward", "backward")
    )
    whole = sum(forward.values()) + sum(backward.values())
    return [
        Share(part, forward[part], backward[part], (forward[part] + backward[part]) / whole)
        for part in PARTS
    ]


def _step(
    network: Segmenter,
    optimizer: torch.optim.Optimizer,
    criterion: Criterion,
    image: Tensor,
    mask: Tensor,
) -> dict[str, dict[str, float]]:
    """Seconds of each part, forward and backward."""
    clock = time.process_time
    reached: dict[str, float] = {}  # part -> when its way back began

    def watched(part: str, tensor: Tensor) -> Tensor:
        """The same values, with a gradient of their own: what else reads them does not count."""

        def begin(_: Tensor) -> None:
            reached.setdefault(part, clock())

        seen = tensor.view_as(tensor)
        if seen.requires_grad:
            seen.register_hook(begin)
        return seen

    marks: list[float] = []

    def after_backbone(_: nn.Module, __: object, features: list[Tensor]) -> list[Tensor]:
        marks.append(clock())
        return [watched(PARTS[0], feature) for feature in features]

    def after_mixture(
        _: nn.Module, __: object, output: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        return watched(PARTS[1], output[0]), output[1]

    handles = [
        network.backbone.register_forward_hook(after_backbone),
        *(mixture.register_forward_hook(after_mixture) for mixture in network.mixtures),
        network.mixtures[-1].register_forward_hook(lambda *_: marks.append(clock())),
    ]
    began = clock()
    prediction = network(image, side_outputs=True)
    predicted = clock()
    prediction = replace(
        prediction,
        logits=watched(PARTS[2], prediction.logits),
        side=tuple(watched(PARTS[2], level) for level in prediction.side),
    )
    loss = criterion(prediction, mask).total
    lost = clock()
    loss.backward()
    ended = clock()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    updated = clock()
    for handle in handles:
        handle.remove()
    return {
        "forward": _between(PARTS, [began, *marks, predicted, lost], last=updated - ended),
        "backward": _between(
            PARTS[3::-1], [lost, *(reached[part] for part in PARTS[2::-1]), ended]
        ),
    }


def _between(
    parts: Sequence[str], times: Sequence[float], last: float | None = None
) -> dict[str, float]:
    spent = {p: b - a for p, a, b in zip(parts, times[:-1], times[1:], strict=False)}
    return spent if last is None else spent | {parts[-1]: last}


def _text(shares: Sequence[Share], args: argparse.Namespace) -> str:
    rows = [
        [
            share.part,
            f"{1000 * share.forward / args.batch_size:.1f}",
            f"{1000 * share.backward / args.batch_size:.1f}",
            f"{100 * share.share:.1f} %",
        ]
        for share in shares
    ]
    widest = max(len(part) for part in PARTS)
    for row in rows:
        row[0] = row[0].ljust(widest)
    header = ["part".ljust(widest), "forward ms", "backward ms", "of the step"]
    return (
        f"{epoch_rows(header, rows)}\n"
        f"{args.backbone}, 7 experts, {args.batch_size} images of {args.img_size} px, one thread of"
        f" the processor, deep supervision; ms an image, medians of {args.rounds} steps"
    )
