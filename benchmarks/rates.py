"""Images a second that train, by batch and image size, beside the bare backbone: for a GPU."""

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.speed_network import NetworkTerms, bare_answer
from benchmarks.speed_step import optimizer_of, own_step, seconds_of_work
from decamo.errors import SettingsError
from decamo.flags import Parser, write_json
from decamo.report import epoch_rows
from decamo.training.runtime import OutOfMemory, Runtime, is_out_of_memory, open_runtime, release

__all__ = ["WAYS", "Rate", "add_arguments", "rate_of", "run"]

WAYS = ("plain", "channels-last", "loop", "compiled")
"""As ``decamo train`` does it; weights in another layout; AdamW as a loop; torch.compile."""


@dataclass(frozen=True)
class Rate:
    """One batch size of one way.

    Attributes:
        way: of :data:`WAYS`.
        img_size: side of the images, in px.
        batch_size: images in a step.
        images_per_second: that whole optimizer steps train; 0 where a batch does not fit.
        share: of the rate at which the bare backbone goes forward and backward, without loss and
            update; the median of the rounds' own ratios.
        peak_bytes: most memory in use at a time; 0 where the device does not tell.
    """

    way: str
    img_size: int
    batch_size: int
    images_per_second: float
    share: float
    peak_bytes: int


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks rates``."""
    add = parser.add_argument
    add("--backbone", default="edgenext_base")
    add("--sizes", type=int, nargs="+", default=[384, 416], metavar="N", help="px (384 416)")
    add("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32], metavar="N",
        help="images in a step (1 2 4 8 16 32)")  # fmt: skip
    add("--ways", nargs="+", default=["plain"], choices=WAYS, metavar="WAY",
        help=f"of {', '.join(WAYS)} (plain)")  # fmt: skip
    add("--rounds", type=int, default=20, metavar="N", help="steps of each, timed (20)")
    add("--device", default="auto", metavar="D", help="auto, cpu, cuda or cuda:N")
    add("--precision", default="auto", choices=("auto", "fp32", "fp16", "bf16"))
    add("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def run(args: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    for name in ("sizes", "batches", "rounds"):
        given = getattr(args, name)
        if min([given] if isinstance(given, int) else given) < 1:
            raise SettingsError(f"--{name}", f"got {given}", "give numbers from 1")
    runtime = open_runtime(args.device, args.precision)
    rates = []
    for way in args.ways:
        for size in args.sizes:
            for batch in args.batches:
                terms = NetworkTerms(args.backbone, size, batch, args.rounds, runtime)
                rates.append(rate_of(terms, way))
                release(runtime.device)
    print(_text(rates, args.backbone, runtime))
    write_json(args.json, {"device": _device(runtime), "rates": [asdict(rate) for rate in rates]})
    return 0


def rate_of(terms: NetworkTerms, way: str) -> Rate:
    """Time whole optimizer steps in turn with the bare backbone, after two that warm up."""
    device = terms.runtime.device
    try:
        step, bare = _step(terms, way), _bare(terms)
        for _ in range(2):
            seconds_of_work(step, device), seconds_of_work(bare, device)
        rounds = [
            (seconds_of_work(step, device), seconds_of_work(bare, device))
            for _ in range(terms.rounds)
        ]
        peak = _peak(step, device)
    except (RuntimeError, OutOfMemory) as error:
        if not isinstance(error, OutOfMemory) and not is_out_of_memory(error):
            raise
        return Rate(way, terms.img_size, terms.batch_size, 0.0, 0.0, 0)
    own = statistics.median(seconds for seconds, _ in rounds)
    share = statistics.median(other / seconds for seconds, other in rounds)
    return Rate(way, terms.img_size, terms.batch_size, terms.batch_size / own, share, peak)


def _step(terms: NetworkTerms, way: str) -> Callable[[], object]:
    network = terms.build()
    if way == "channels-last":
        network.to(memory_format=torch.channels_last)
    if way == "compiled":
        network.compile()
    return own_step(terms, network, optimizer_of(network, fused=way != "loop"))


def _bare(terms: NetworkTerms) -> Callable[[], object]:
    network, image = terms.build(), terms.image()

    def forward_and_back() -> None:
        bare_answer(network, image, terms.runtime).backward()
        network.zero_grad(set_to_none=True)

    return forward_and_back


def _peak(work: Callable[[], object], device: torch.device) -> int:
    if device.type != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats(device)
    work()
    return torch.cuda.max_memory_allocated(device)


def _device(runtime: Runtime) -> str:
    cuda = runtime.device.type == "cuda"
    name = torch.cuda.get_device_name(runtime.device) if cuda else "processor"
    return f"{name}, {str(runtime.dtype or torch.float32).removeprefix('torch.')}"


def _text(rates: Sequence[Rate], backbone: str, runtime: Runtime) -> str:
    rows = [
        [
            rate.way,
            str(rate.img_size),
            str(rate.batch_size),
            f"{rate.images_per_second:.1f}" if rate.images_per_second else "does not fit",
            f"{rate.share:.2f}" if rate.share else "",
            f"{rate.peak_bytes / 2**20:,.0f}" if rate.peak_bytes else "",
        ]
        for rate in rates
    ]
    header = ["way", "px", "batch", "images/s", "of bare", "peak MiB"]
    return (
        f"{epoch_rows(header, rows)}\n"
        f"{backbone}, 7 experts, on {_device(runtime)}: whole optimizer steps without reading,"
        " medians; of bare: share of the rate at which the backbone alone goes forward and"
        " backward; peak with both networks in memory, decamo's and the backbone's"
    )
