"""A mixture of experts at one level: every expert runs, the router weighs them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from decamo.nn.experts import make_expert
from decamo.settings.expert_names import expert_name, expert_turns

__all__ = [
    "Mixture",
    "Router",
]

# Share of the gates dealt out evenly, so that an expert nobody chose still learns, and can return.
FLOOR = 0.05
# The average looks back about 1 / (1 - momentum) optimizer steps.
MOMENTUM = 0.99


class Router(nn.Module):
    """Gates per image from the mean and the deviation of each channel.

    Attributes:
        usage: float32 ``[E]``, running average of the gates, even at first. It lets a balance
            term see the data set where the micro-batch is 1. :meth:`follow` moves it, once an
            optimizer step, so that it does not depend on how a step is cut into micro-batches.

    Args:
        width: channels C of the level.
        num_experts: number of experts E.
        temperature: above 1 evens the gates out, below 1 sharpens them.
    """

    usage: Tensor

    def __init__(self, width: int, num_experts: int, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature
        self.norm = nn.LayerNorm(2 * width)
        self.score = nn.Linear(2 * width, num_experts)
        nn.init.normal_(self.score.weight, std=0.01)  # all experts start about even
        nn.init.zeros_(self.score.bias)
        self.register_buffer("usage", torch.full((num_experts,), 1 / num_experts))

    def forward(self, x: Tensor) -> Tensor:
        """``[B,C,h,w]`` -> gates, float32 ``[B,E]``, each at least 0.05/E, rows sum to 1."""
        x = x.float()  # under autocast: a sum of squares over a level leaves the range of float16
        mean = x.mean((2, 3))
        variance = x.square().mean((2, 3)) - mean.square()
        deviation = (variance.clamp_min(0) + 1e-5).sqrt()
        scores = self.score(self.norm(torch.cat((mean, deviation), dim=1)))
        gates = (scores.float() / self.temperature).softmax(1)
        return (1 - FLOOR) * gates + FLOOR / gates.shape[1]

    @torch.no_grad()
    def follow(self, gates: Tensor) -> None:
        """Move the running average towards the mean gates of a step, float32 ``[E]``."""
        self.usage.lerp_(gates.to(self.usage), 1 - MOMENTUM)


class Mixture(nn.Module):
    """``x + sum_e gate_e W_e expert_e(P_e x)``, dense, image by image.

    All P_e are one 1x1 convolution. All W_e are one product with the gates multiplied into the
    weights of each image, which spares a pass over all expert channels. Nothing depends on
    which expert won, so there is no gather, no loop over images and no wait for the device.

    Args:
        width: channels C of the level.
        num_experts: number of experts E.
        expert_width: channels d inside an expert, even.
        kinds: of the experts by name; empty for the built-in ones in turn.

    Attributes:
        names: of the experts, for people.
    """

    def __init__(
        self, width: int, num_experts: int, expert_width: int, kinds: Sequence[str] = ()
    ) -> None:
        super().__init__()
        experts = expert_turns(kinds, num_experts)
        self.names = tuple(expert_name(index, kinds) for index in range(num_experts))
        self.router = Router(width, num_experts)
        self.enter = nn.Conv2d(width, num_experts * expert_width, 1)
        self.experts = nn.ModuleList(make_expert(*one, expert_width) for one in experts)
        # As though each expert stood alone (fan-in d): even gates then shrink the sum to 1/sqrt(E).
        leave = torch.randn(width, num_experts, expert_width) * expert_width**-0.5
        self.leave = nn.Parameter(leave)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``[B,C,h,w]`` -> the same shape, and gates float32 ``[B,E]``."""
        gates = self.router(x)
        entered = self.enter(x).chunk(len(self.experts), dim=1)
        seen = [expert(part) for expert, part in zip(self.experts, entered, strict=True)]
        evidence = torch.cat(seen, dim=1).flatten(2)
        weight = (gates[:, None, :, None] * self.leave).flatten(2)
        return x + torch.bmm(weight.to(evidence.dtype), evidence).view_as(x), gates
