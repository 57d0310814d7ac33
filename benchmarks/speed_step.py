"""A whole optimizer step beside that of the bare backbone, in turns with it."""

import statistics
import time
from collections.abc import Callable

import torch

from benchmarks.speed_lines import Line, line_of_rounds
from benchmarks.speed_network import NetworkTerms, bare_answer
from decamo.data.dataset import Batch
from decamo.losses import Criterion
from decamo.nn import Segmenter
from decamo.nn.dense_products import by_onednn, onednn_is_faster
from decamo.training.optimizer_groups import build_optimizer
from decamo.training.state import GuardedScaler
from decamo.training.step import Stepper

__all__ = ["STEP_GOAL", "optimizer_of", "own_step", "seconds_of_work", "step_lines"]

STEP_GOAL = 0.9
_RATE = 1e-6  # a real update that hardly moves anything


def own_step(
    terms: NetworkTerms, network: Segmenter, optimizer: torch.optim.Optimizer
) -> Callable[[], object]:
    """An optimizer step as ``decamo train`` makes it, on a batch that is on the device."""
    runtime = terms.runtime
    stepper = Stepper(
        model=network,
        criterion=Criterion(deep_supervision=True),
        optimizer=optimizer,
        scaler=GuardedScaler(enabled=runtime.dtype == torch.float16),
        ema=None,
        runtime=runtime,
        clip_grad=1.0,
        side_outputs=True,
    )
    shape = (terms.batch_size, 3, terms.img_size, terms.img_size)
    image = torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    batch = Batch(image, (image[:, :1] > 127).to(torch.uint8), ("",) * terms.batch_size)
    batches = [batch.to(runtime.device)]
    return lambda: stepper.step(batches, terms.batch_size)


def optimizer_of(network: Segmenter, *, fused: bool) -> torch.optim.Optimizer:
    """Ours, by one kernel or by torch's loop."""
    optimizer = build_optimizer(network, 0.01)
    for group in optimizer.param_groups:
        group["lr"] = _RATE
        group["fused"] = fused
    return optimizer


def _bare_step(terms: NetworkTerms, *, update: bool, onednn: bool = False) -> Callable[[], object]:
    """Forward and backward of the backbone alone and, where asked for, torch's own AdamW."""
    network, image = terms.build(), terms.image()
    optimizer = torch.optim.AdamW(network.backbone.parameters(), lr=_RATE)

    def step() -> None:
        bare_answer(network, image, terms.runtime).backward()
        if update:
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def as_we_multiply() -> None:
        with by_onednn(network.backbone, terms.runtime.device):
            step()

    return as_we_multiply if onednn else step


def step_lines(terms: NetworkTerms) -> tuple[list[Line], str]:
    """Rates of our step beside the backbone's, with and without an update of its own.

    The backbone is timm's, computed and updated as torch does both by default; one line has its
    products computed as ours are, which tells the cost of experts, decoder and loss.
    """
    network, bare = terms.build(), f"bare {terms.backbone}"
    optimizer = optimizer_of(network, fused=True)
    own = own_step(terms, network, optimizer)
    others: dict[str, tuple[Callable[[], object], float | None]] = {
        "its step": (_bare_step(terms, update=True), STEP_GOAL),
        "forward and backward without update": (_bare_step(terms, update=False), None),
    }
    if terms.runtime.device.type == "cpu" and onednn_is_faster():
        mended = _bare_step(terms, update=True, onednn=True)
        others["its step, products by oneDNN"] = mended, None
    ways = {"": own} | {name: work for name, (work, _) in others.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(terms.rounds + 2):
        for name, work in ways.items():
            seconds = seconds_of_work(work, terms.runtime.device)
            if turn > 1:
                times[name].append(seconds)
    threads = torch.get_num_threads()
    where = f", {threads} threads" if terms.runtime.device.type == "cpu" else ""
    lines = []
    for name, (_, goal) in others.items():
        ratios = [other / mine for other, mine in zip(times[name], times[""], strict=True)]
        what = f"rate of a step / {bare}: {name}{where}"
        lines.append(line_of_rounds("step", what, ratios, goal, at_most=False))
    rates = {name or "decamo": 1000 * statistics.median(spent) for name, spent in times.items()}
    told = ", ".join(f"{name} {ms:.0f}" for name, ms in rates.items())
    return lines, f"ms a step of {terms.batch_size} images: {told}"


def seconds_of_work(work: Callable[[], object], device: torch.device) -> float:
    """Seconds until the device is done with it."""
    _wait(device)
    began = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
