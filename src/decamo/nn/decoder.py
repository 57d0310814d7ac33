"""The decoder: from stride 32 up to stride 4, one level at a time."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["GROUPS", "ConvBlock", "Decoder"]

GROUPS = 8


class ConvBlock(nn.Module):
    """Dense 3x3 convolution, GroupNorm, GELU.

    Dense, since on processors and on GPUs alike a 3x3 convolution at 64 channels costs about as
    much time as the element-wise passes of the separable pair it would replace. GroupNorm, since
    a micro-batch of 1 has no batch statistics.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(GROUPS, width)

    def forward(self, x: Tensor) -> Tensor:
        """``[B,C,h,w]`` -> the same shape."""
        return F.gelu(self.norm(self.conv(x)))


class Decoder(nn.Module):
    """Adds each level to the up-sampled deeper one and smooths the sum (FPN, Lin et al. 2017).

    Args:
        width: channels C of every level.
        levels: number of levels.
    """

    def __init__(self, width: int, levels: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ConvBlock(width) for _ in range(levels))

    def forward(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        """``[B,C,H/s,W/s]`` of each level, shallowest first -> the same shapes and order."""
        decoded: list[Tensor] = []
        for level, block in zip(reversed(pyramid), reversed(self.blocks), strict=True):
            if decoded:
                deeper = decoded[-1]
                level = level + F.interpolate(deeper, size=level.shape[-2:], mode="bilinear")
            decoded.append(block(level))
        return decoded[::-1]
