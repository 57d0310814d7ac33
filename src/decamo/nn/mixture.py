"""A mixture of experts at one level: every expert runs, the router weighs them."""

import torch
from torch import Tensor, nn

from decamo.nn.experts import make_expert
from decamo.nn.router import Router

__all__ = ["Mixture"]


class Mixture(nn.Module):
    """``x + sum_e gate_e W_e expert_e(P_e x)``, dense, image by image.

    All P_e are one 1x1 convolution. All W_e are one product with the gates multiplied into the
    weights of each image, which spares a pass over all expert channels. Nothing depends on
    which expert won, so there is no gather, no loop over images and no wait for the device.

    Args:
        width: channels C of the level.
        num_experts: number of experts E.
        expert_width: channels d inside an expert, even.
    """

    def __init__(self, width: int, num_experts: int, expert_width: int) -> None:
        super().__init__()
        self.router = Router(width, num_experts)
        self.enter = nn.Conv2d(width, num_experts * expert_width, 1)
        self.experts = nn.ModuleList(make_expert(i, expert_width) for i in range(num_experts))
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
