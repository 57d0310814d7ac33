"""Time and memory of networks beside the backbone that they stand on, in turns with it."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.quality_peers import Peer, build_peer
from benchmarks.speed_lines import Line, line_of_rounds
from decamo.errors import SettingsError
from decamo.nn import Segmenter, build_segmenter
from decamo.settings import ModelSettings
from decamo.training.dry_run import bytes_kept
from decamo.training.runtime import Runtime

__all__ = ["NetworkTerms", "bare_answer", "network_lines", "own_answer"]

EXPERTS = 7  # a level, as most figures in the documentation have them
_PEERS = ("Unet", "FPN", "Segformer")
_FRUGAL = "gradient checkpointing"
FORWARD_GOAL, BOTH_GOAL, MEMORY_GOAL = 1.25, 1.25, 1.2
Answer = Callable[[], Tensor]


@dataclass(frozen=True)
class NetworkTerms:
    """On what networks are measured.

    Attributes:
        backbone: timm's name.
        img_size: px, a multiple of 32.
        batch_size: images that go through together.
        rounds: of which medians are taken, after one that warms up.
        runtime: device and number format.
    """

    backbone: str
    img_size: int
    batch_size: int
    rounds: int
    runtime: Runtime

    def build(self, checkpointing: bool = False) -> Segmenter:
        """Our own network with seven experts, in training mode, with weights that a seed fixes."""
        settings = ModelSettings(
            self.backbone, EXPERTS, pretrained=False, gradient_checkpointing=checkpointing
        )
        network = build_segmenter(settings, sizes=[self.img_size], initialize=False, seed=0)
        return network.to(self.runtime.device).train()

    def image(self) -> Tensor:
        """Normalised noise, float32 ``[batch_size,3,img_size,img_size]``."""
        shape = (self.batch_size, 3, self.img_size, self.img_size)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        return noise.to(self.runtime.device)


def bare_answer(network: Segmenter, image: Tensor, runtime: Runtime) -> Tensor:
    """A scalar that every feature of a bare backbone has a say in."""
    with runtime.autocast():
        return torch.stack([f.float().mean() for f in network.backbone(image)]).sum()


def own_answer(network: Segmenter, image: Tensor, runtime: Runtime) -> Tensor:
    """A scalar that everything a network predicts in training has a say in."""
    with runtime.autocast():
        said = network(image, side_outputs=torch.is_grad_enabled())
        return torch.stack([logits.mean() for logits in (said.logits, *said.side)]).sum()


def network_lines(terms: NetworkTerms) -> tuple[list[Line], str]:
    """Measure our own network, and the peers that are installed, beside the bare backbone.

    Returns:
        the lines, and what was left out ("" if nothing).
    """
    network, image, runtime = terms.build(), terms.image(), terms.runtime
    bare, own = f"bare {terms.backbone}", "decamo"
    frugal = terms.build(checkpointing=True)
    models: dict[str, nn.Module] = {bare: network, own: network, _FRUGAL: frugal}
    answers: dict[str, Answer] = {
        bare: lambda: bare_answer(network, image, runtime),
        own: lambda: own_answer(network, image, runtime),
        _FRUGAL: lambda: own_answer(frugal, image, runtime),
    }
    left_out = ""
    try:
        for name in _PEERS:
            peer = _peer(name, terms)
            models[name] = peer
            answers[name] = lambda peer=peer: own_answer(peer, image, runtime)  # type: ignore[misc]
    except SettingsError as error:
        left_out = f"peers: skipped: {error.got}; {error.remedy}"
    times = _timed(terms, models, answers)
    lines = []
    for name in (own, *[peer for peer in _PEERS if peer in models]):
        goals = (FORWARD_GOAL, BOTH_GOAL, MEMORY_GOAL) if name == own else (None, None, None)
        for what, goal in zip(("forward", "forward + backward"), goals, strict=False):
            ratios = _ratios(times[name, what], times[bare, what])
            lines.append(line_of_rounds("network", f"{name} / {bare}: {what}", ratios, goal))
        kept, of = (bytes_kept(models[n], answers[n]) for n in (name, bare))
        what = f"{name} / {bare}: memory that training keeps"
        lines.append(line_of_rounds("network", what, [kept / of], goals[2]))
    lines[3:3] = _own_ways(times, bare, network, answers[own], frugal, answers[_FRUGAL])
    return lines, left_out


def _own_ways(
    times: Mapping[tuple[str, str], list[float]],
    bare: str,
    network: Segmenter,
    answer: Answer,
    frugal: Segmenter,
    its_answer: Answer,
) -> list[Line]:
    """Stage 1 beside the backbone's forward pass, and gradient checkpointing beside none."""
    own, both, kept = "decamo", "forward + backward", "memory that training keeps"
    frozen = _ratios(times[own, "frozen"], times[bare, "forward"])
    slower = _ratios(times[_FRUGAL, both], times[own, both])
    less = bytes_kept(frugal, its_answer) / bytes_kept(network, answer)
    return [
        line_of_rounds("network", f"stage 1, frozen / {bare}: forward", frozen),
        line_of_rounds("network", f"{_FRUGAL} / {own}: {both}", slower),
        line_of_rounds("network", f"{_FRUGAL} / {own}: {kept}", [less]),
    ]


def _peer(name: str, terms: NetworkTerms) -> Peer:
    settings = ModelSettings(terms.backbone, pretrained=False)
    peer = build_peer(name, settings, sizes=[terms.img_size], initialize=False, seed=0)
    return peer.to(terms.runtime.device)


def _timed(
    terms: NetworkTerms, models: dict[str, nn.Module], answers: dict[str, Answer]
) -> dict[tuple[str, str], list[float]]:
    """(Network, what) -> seconds of each round; all take turns within a round."""
    ways: dict[tuple[str, str], Callable[[], float]] = {}
    for name, model in models.items():
        ways[name, "forward"] = _way(terms, model, answers[name], learns=False)
        ways[name, "forward + backward"] = _way(terms, model, answers[name], learns=True)
    own = models["decamo"]
    if not isinstance(own, Segmenter):
        raise TypeError(f"a segmenter was built, not {type(own)}")
    ways["decamo", "frozen"] = _way(terms, own, answers["decamo"], learns=True, frozen=own)
    times: dict[tuple[str, str], list[float]] = {key: [] for key in ways}
    with _one_thread(terms.runtime.device):
        for _ in range(terms.rounds + 1):
            for key, way in ways.items():
                times[key].append(way())
    return {key: seconds[1:] for key, seconds in times.items()}


def _way(
    terms: NetworkTerms,
    model: nn.Module,
    answer: Answer,
    *,
    learns: bool,
    frozen: Segmenter | None = None,
) -> Callable[[], float]:
    def way() -> float:
        model.train(learns)
        if frozen is not None:
            frozen.set_learning({"head"})
        began = _now(terms.runtime.device)
        with torch.set_grad_enabled(learns):
            result = answer()
        if learns:
            result.backward()
        spent = _now(terms.runtime.device) - began
        model.zero_grad(set_to_none=True)
        if frozen is not None:
            frozen.set_learning(frozen.groups())
        model.train()
        return spent

    return way


def _now(device: torch.device) -> float:
    """Processor time where the processor computes: what else runs on the machine counts little."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


@contextmanager
def _one_thread(device: torch.device) -> Iterator[None]:
    """Threads that wait for one another would count as work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if device.type == "cpu" else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _ratios(own: list[float], other: list[float]) -> list[float]:
    return [a / b for a, b in zip(own, other, strict=True)]
