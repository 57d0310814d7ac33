"""What a network computes, written as the runtimes compute it without turning its maps around.

Runtimes keep maps channels-last, or in blocks of channels. A norm of groups that is written over a
reshaped map, and a product over flattened ones, make them copy each map there and back.
docs/decisions/0040 has the times. Results differ by rounding alone.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from decamo.nn.experts import Mixture
from decamo.nn.layer_forms import layers_computing
from decamo.nn.segmentation_network import TorchModule

__all__ = ["runtime_forms"]


def runtime_forms(network: TorchModule) -> AbstractContextManager[None]:
    """Within the block the network's modules compute their results in these forms."""
    return layers_computing(network, lambda module: _FORMS.get(type(module)))


def _group_norm(norm: nn.GroupNorm, x: Tensor) -> Tensor:
    """Means over height and width, then over the few channels of a group."""
    if x.ndim != 4:
        return nn.GroupNorm.forward(norm, x)
    width = norm.num_channels // norm.num_groups
    within = torch.kron(torch.eye(norm.num_groups), torch.full((width, width), 1 / width))

    def mean(values: Tensor) -> Tensor:
        return (values.mean((2, 3)) @ within)[..., None, None]

    apart = x - mean(x)
    scale = (mean(apart * apart) + norm.eps).rsqrt()
    if not norm.affine:
        return apart * scale
    return apart * (scale * norm.weight[:, None, None]) + norm.bias[:, None, None]


def _mixture(mixture: Mixture, x: Tensor) -> tuple[Tensor, Tensor]:
    """Gates on the maps, not on the weights, so that both projections are convolutions."""
    gates = mixture.router(x)
    width, _, inner = mixture.leave.shape
    seen = []
    for index, expert in enumerate(mixture.experts):
        own = slice(index * inner, (index + 1) * inner)
        bias = None if mixture.enter.bias is None else mixture.enter.bias[own]
        entered = F.conv2d(x, mixture.enter.weight[own], bias)
        seen.append(expert(entered) * gates[:, index, None, None, None])
    evidence = torch.cat(seen, dim=1)
    return x + F.conv2d(evidence, mixture.leave.reshape(width, -1, 1, 1)), gates


_FORMS: Mapping[type[nn.Module], Callable[..., Any]] = {
    nn.GroupNorm: _group_norm,
    Mixture: _mixture,
}
