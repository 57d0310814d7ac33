"""Our network with one thing changed that no flag changes: what an ablation takes apart."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.ablation_designs import ChosenPlaces, SharedScales, with_raw_pixels
from decamo.nn import Segmenter, build_segmenter
from decamo.nn.experts import Mixture, Router, make_expert
from decamo.settings import ModelSettings
from decamo.settings.expert_names import EXPERT_KINDS, expert_turns

__all__ = ["CHANGES", "build_changed"]

_PROBED = 32  # side of the level on which operations are counted, in positions


class _EvenGates(Router):
    """Every expert weighs the same in every image."""

    def forward(self, x: Tensor) -> Tensor:
        gates = super().forward(x)
        return torch.full_like(gates, 1 / gates.shape[1])


class _BestGates(Router):
    """Only the likeliest two experts of an image take part; their gates sum to 1."""

    def forward(self, x: Tensor) -> Tensor:
        gates = super().forward(x)
        best, index = gates.topk(min(2, gates.shape[1]), dim=1)
        return torch.zeros_like(gates).scatter(1, index, best / best.sum(1, keepdim=True))


class _PlaceRouter(Router):
    """Gates at every position, from the position's own channels: ``[B,E,h,w]``."""

    def __init__(self, width: int, num_experts: int) -> None:
        super().__init__(width, num_experts)
        self.norm = nn.LayerNorm(width)
        self.score = nn.Linear(width, num_experts)
        nn.init.normal_(self.score.weight, std=0.01)
        nn.init.zeros_(self.score.bias)

    def forward(self, x: Tensor) -> Tensor:
        scores = self.score(self.norm(x.float().permute(0, 2, 3, 1)))
        return scores.softmax(3).permute(0, 3, 1, 2)


class _PlaceMixture(Mixture):
    """The mixture with a router that chooses anew at every position."""

    def __init__(self, width: int, num_experts: int, expert_width: int) -> None:
        super().__init__(width, num_experts, expert_width)
        self.router = _PlaceRouter(width, num_experts)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        gates = self.router(x)
        entered = self.enter(x).chunk(len(self.experts), dim=1)
        seen = [
            gates[:, i : i + 1].to(part.dtype) * expert(part)
            for i, (expert, part) in enumerate(zip(self.experts, entered, strict=True))
        ]
        left = F.conv2d(torch.cat(seen, dim=1), self.leave.flatten(1)[:, :, None, None])
        return x + left, gates.mean((2, 3))


class _Dense(nn.Module):
    """One residual block of two projections and a 3x3 convolution: no experts, no choice.

    Its one gate is always 1, so that trainer and loss find what they look for.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.router = Router(width, 1)
        self.enter = nn.Conv2d(width, hidden, 1)
        self.conv = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.leave = nn.Conv2d(hidden, width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x + self.leave(F.gelu(self.conv(self.enter(x)))), self.router(x)


def _block_for(make: Callable[[int, int], nn.Module], mixture: Mixture) -> nn.Module:
    """The block, by channels and hidden ones, whose operations come nearest to the mixture's."""
    width = mixture.enter.in_channels
    goal = _operations(mixture, width)
    every = (make(width, hidden) for hidden in range(4, 129, 4))
    return min(every, key=lambda block: abs(_operations(block, width) - goal))


@torch.no_grad()
def _operations(block: nn.Module, width: int) -> int:
    with FlopCounterMode(display=False) as counter:
        block(torch.zeros(1, width, _PROBED, _PROBED))
    return counter.get_total_flops()


def _without(kind: int, mixture: Mixture) -> Mixture:
    """The mixture without the experts of a kind."""
    left = [i for i in range(len(mixture.experts)) if i % len(EXPERT_KINDS) != kind]
    width, _, inner = mixture.leave.shape
    turns = expert_turns((), max(left) + 1)
    smaller = Mixture(width, len(left), inner)
    smaller.experts = nn.ModuleList(make_expert(*turns[i], inner) for i in left)
    return smaller


def _routed_by(router: type[Router], mixture: Mixture) -> Mixture:
    width, experts, _ = mixture.leave.shape
    mixture.router = router(width, experts)
    return mixture


def _shared_scales(mixture: Mixture) -> Mixture:
    """As many experts at two scales as cost what the mixture's do at one: 5 for 7."""
    width, experts, inner = mixture.leave.shape
    return SharedScales(width, max(4 * experts // 5, 1), inner)


def _by_place(mixture: Mixture) -> Mixture:
    return _PlaceMixture(*mixture.leave.shape)


def _each(change: Callable[[Mixture], nn.Module], segmenter: Segmenter) -> Segmenter:
    """The segmenter with the mixture of every level changed."""
    changed = [change(cast(Mixture, mixture)) for mixture in segmenter.mixtures]
    segmenter.mixtures = nn.ModuleList(changed)
    return segmenter


_OF_MIXTURES: dict[str, Callable[[Mixture], nn.Module]] = {
    "dense block": partial(_block_for, _Dense),
    "equal gates": partial(_routed_by, _EvenGates),
    "best two experts": partial(_routed_by, _BestGates),
    "router per place": _by_place,
    "chosen places": partial(_block_for, ChosenPlaces),
    "shared scales": _shared_scales,
    **{f"without {name}": partial(_without, kind) for kind, name in enumerate(EXPERT_KINDS)},
}
CHANGES: dict[str, Callable[[Segmenter], Segmenter]] = {
    **{name: partial(_each, change) for name, change in _OF_MIXTURES.items()},
    "raw pixels": with_raw_pixels,
}
"""Name -> what becomes of the network."""


def build_changed(
    change: str,
    settings: ModelSettings,
    *,
    sizes: Iterable[int],
    initialize: bool = True,
    seed: int,
) -> Segmenter:
    """Build our network, changed.

    Args:
        change: of :data:`CHANGES`.
        settings: as for :func:`decamo.nn.build_segmenter`, as are the other arguments.
        sizes: image sizes of the run, in px.
        initialize: False where a checkpoint will be loaded.
        seed: fixes the initial weights.
    """
    segmenter = build_segmenter(settings, sizes=sizes, initialize=initialize, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        changed = CHANGES[change](segmenter)
    changed.architecture["network"] = change
    return changed
