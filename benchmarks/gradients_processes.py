"""Processes that train a network in two ways in turn: our sum of gradients, and torch's DDP."""

import inspect
import math
import os
import socket
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from benchmarks.spread import Spread
from decamo.data.dataset import Batch
from decamo.losses import Criterion
from decamo.nn import Segmenter, build_segmenter
from decamo.settings import ModelSettings
from decamo.system import clean_context, peak_memory
from decamo.training.optimizer_groups import build_optimizer
from decamo.training.runtime import Runtime, close_runtime, open_runtime
from decamo.training.state import GuardedScaler
from decamo.training.step import Stepper

__all__ = [
    "DDPStep",
    "Exchange",
    "Work",
    "batches_of",
    "compare_exchanges",
    "distance",
    "stepper_of",
]


@dataclass(frozen=True)
class Work:
    """What is trained.

    Attributes:
        backbone: timm's name.
        img_size: side of the images, in px.
        accumulation: micro-batches of one image in a step.
        rounds: steps of each way.
    """

    backbone: str
    img_size: int
    accumulation: int
    rounds: int


@dataclass(frozen=True)
class Exchange:
    """Both ways beside each other.

    Attributes:
        processes: that train together.
        accumulation: micro-batches in a step.
        parameters: numbers that learn.
        own: seconds of a step with our sum.
        ddp: the same with DistributedDataParallel.
        ratio: of the rounds, DDP's time over ours.
        own_bytes: peak memory of a process beyond that before its first step.
        ddp_bytes: the same with DDP.
        difference: of the weights after all steps, as a root mean square.
        change: of the weights in them, likewise.
    """

    processes: int
    accumulation: int
    parameters: int
    own: Spread
    ddp: Spread
    ratio: Spread
    own_bytes: int
    ddp_bytes: int
    difference: float
    change: float


# The backbone's statistics are frozen; the option's name depends on torch's version.
_OPTIONS = inspect.signature(DistributedDataParallel).parameters
_NO_BUFFERS: dict[str, Any] = {
    "forward_sync_buffers" if "forward_sync_buffers" in _OPTIONS else "broadcast_buffers": False
}


class _Loss(nn.Module):
    """Network and loss as one module, as DDP hooks into what its own forward pass calls."""

    def __init__(self, stepper: Stepper) -> None:
        super().__init__()
        self.model = stepper.model
        self.stepper = (stepper,)  # no submodule

    def forward(self, batch: Batch) -> Tensor:
        _, losses = self.stepper[0]._forward(batch, 1.0)
        return losses.total


class DDPStep:
    """An optimizer step as ours, but that DistributedDataParallel exchanges the gradients.

    It is wrapped anew wherever other parameters learn: what is opened after wrapping is not
    exchanged. A process whose last micro-batch is empty goes through the network with somebody
    else's image, weighed by nothing, as the others wait for its part of the exchange.

    Args:
        stepper: whose network, optimizer and clipping it takes.
        spare: one image for a process that has none.
    """

    def __init__(self, stepper: Stepper, spare: Batch) -> None:
        self.stepper, self.spare = stepper, spare
        self.learning: list[bool] = []
        self.wrap()

    def wrap(self) -> None:
        """Wrap the network as it learns now."""
        self.learning = [p.requires_grad for p in self.stepper.model.parameters()]
        self.ddp = DistributedDataParallel(
            _Loss(self.stepper),
            gradient_as_bucket_view=True,
            **_NO_BUFFERS,
        )

    def step(self, batches: Sequence[Batch], images: int) -> None:
        """Train on some micro-batches as if they were one batch."""
        if self.learning != [p.requires_grad for p in self.stepper.model.parameters()]:
            self.wrap()
        world = self.stepper.runtime.world
        for number, batch in enumerate(batches, 1):
            last = number == len(batches)
            if not batch.size and not last:
                continue
            fed = batch if batch.size else self.spare
            with nullcontext() if last else self.ddp.no_sync():
                loss = self.ddp(fed)
                (loss * (world * batch.size / images)).backward()  # DDP divides by the world
        told = torch.zeros(len(self.stepper.criterion.weights) + 1)
        dist.all_reduce(told)  # as ours does for the loss terms
        learning = [p for p in self.stepper.model.parameters() if p.grad is not None]
        nn.utils.clip_grad_norm_(learning, self.stepper.clip_grad)
        self.stepper.optimizer.step()
        self.stepper.optimizer.zero_grad(set_to_none=True)


def stepper_of(work: Work, runtime: Runtime) -> Stepper:
    """A network with seeded weights, the same in each process, and its optimizer."""
    settings = ModelSettings(work.backbone, num_experts=3, pretrained=False)
    network: Segmenter = build_segmenter(settings, sizes=[work.img_size], initialize=True, seed=0)
    network.train()
    optimizer = build_optimizer(network, 0.01)
    for group in optimizer.param_groups:
        group["lr"] = 1e-4
    return Stepper(
        model=network, criterion=Criterion(deep_supervision=True), optimizer=optimizer,
        scaler=GuardedScaler(enabled=False), ema=None, runtime=runtime, clip_grad=1.0,
        side_outputs=True,
    )  # fmt: skip


def batches_of(work: Work, rank: int, step: int, empty_last: bool = False) -> list[Batch]:
    """Seeded micro-batches of one image each, the last empty where that is asked for."""
    made = torch.Generator().manual_seed(1000 * step + rank)
    sizes = [1] * work.accumulation
    if empty_last:
        sizes[-1] = 0
    found = []
    for size in sizes:
        shape = (size, 3, work.img_size, work.img_size)
        image = torch.randint(256, shape, dtype=torch.uint8, generator=made)
        found.append(Batch(image, (image[:, :1] > 127).to(torch.uint8), ("",) * size))
    return found


def compare_exchanges(work: Work, processes: int) -> Exchange:
    """Train in both ways in turn, then in each of them alone for its memory.

    Args:
        work: what is trained.
        processes: that train together, on this machine.
    """
    with tempfile.TemporaryDirectory() as place:
        told = Path(place) / "told"
        together = _launched(_in_turn, work, processes, told)
        own, ddp = (_launched(_memory, work, processes, told, way) for way in (False, True))
    ratios = [b / a for a, b in zip(together["own"], together["ddp"], strict=True)]
    return Exchange(
        processes, work.accumulation, together["parameters"],
        Spread.of(together["own"]), Spread.of(together["ddp"]), Spread.of(ratios),
        own["bytes"], ddp["bytes"], together["difference"], together["change"],
    )  # fmt: skip


def _launched(target: Any, work: Work, processes: int, told: Path, *more: Any) -> dict[str, Any]:
    """Run it in so many processes; returns what the first of them says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context: Any = clean_context([__name__])
    started = [
        context.Process(target=_process, args=(target, rank, processes, port, told, work, *more))
        for rank in range(processes)
    ]
    for one in started:
        one.start()
    for one in started:
        one.join()
    if any(one.exitcode for one in started):
        raise RuntimeError(f"exit codes {[one.exitcode for one in started]}")
    found: dict[str, Any] = torch.load(told)
    return found


def _process(
    target: Any, rank: int, world: int, port: int, told: Path, work: Work, *more: Any
) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world),
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}  # fmt: skip
    runtime = open_runtime("cpu", "fp32")
    found = target(work, runtime, *more)
    if rank == 0:
        torch.save(found, told)
    runtime.part()
    close_runtime(runtime)


def _in_turn(work: Work, runtime: Runtime) -> dict[str, Any]:
    own, other = stepper_of(work, runtime), stepper_of(work, runtime)
    ddp = DDPStep(other, batches_of(work, runtime.rank, 0)[0])
    before = [p.detach().clone() for p in own.model.parameters()]
    images = work.accumulation * runtime.world
    times: dict[str, list[float]] = {"own": [], "ddp": []}
    for step in range(work.rounds + 1):
        batches = batches_of(work, runtime.rank, step)
        ways = [("own", lambda b=batches: own.step(b, images)),
                ("ddp", lambda b=batches: ddp.step(b, images))]  # fmt: skip
        for name, way in ways if step % 2 else reversed(ways):
            runtime.any(False)  # all begin at the same time
            began = time.perf_counter()
            way()
            if step:  # the first one warms up
                times[name].append(time.perf_counter() - began)
    return {
        **times,
        "parameters": sum(p.numel() for p in own.model.parameters() if p.requires_grad),
        "difference": distance(own.model.parameters(), other.model.parameters()),
        "change": distance(own.model.parameters(), before),
    }


def distance(some: Iterable[Tensor], others: Iterable[Tensor]) -> float:
    """Root of the mean square difference of all weights.

    Not the largest one: Adam moves a weight by the sign of its gradient at first, also where that
    is nothing but the rounding of a sum.
    """
    pairs = [(a.detach(), b.detach()) for a, b in zip(some, others, strict=True)]
    squares = sum(float((a - b).double().square().sum()) for a, b in pairs)
    return math.sqrt(squares / sum(a.numel() for a, _ in pairs))


def _memory(work: Work, runtime: Runtime, with_ddp: bool) -> dict[str, Any]:
    stepper = stepper_of(work, runtime)
    before = peak_memory()
    ddp = DDPStep(stepper, batches_of(work, runtime.rank, 0)[0]) if with_ddp else None
    images = work.accumulation * runtime.world
    for step in range(3):
        batches = batches_of(work, runtime.rank, step)
        if ddp is None:
            stepper.step(batches, images)
        else:
            ddp.step(batches, images)
    return {"bytes": peak_memory() - before}
