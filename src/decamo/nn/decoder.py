"""From mixed features to logits: the top-down decoder, its heads, and what magnifies an image."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from decamo.nn.backbone import STRIDES

__all__ = [
    "GROUPS",
    "ConvBlock",
    "Decoder",
    "Lateral",
    "LogitHead",
    "magnified",
    "magnified_side",
]

STEP = STRIDES[-1]


def magnified(image: Tensor, scale: float) -> Tensor:
    """Resize a batch; small objects come nearer to the size at which a backbone knows objects.

    Bicubic, since bilinear blurs what is enlarged; what shrinks is smoothed first.

    Args:
        image: float ``[B,C,H,W]``.
        scale: factor on both sides, above 0; at 1 the image itself is given back.

    Returns:
        ``[B,C,h,w]``, h and w the multiples of 32 px next to ``scale`` times H and W.
    """
    if scale == 1:
        return image
    size = [magnified_side(side, scale) for side in image.shape[-2:]]
    shrinks = size[0] < image.shape[-2] or size[1] < image.shape[-1]
    return F.interpolate(image, size=size, mode="bicubic", antialias=shrinks)


def magnified_side(side: int, scale: float) -> int:
    """The side in px that :func:`magnified` makes of ``side``."""
    return side if scale == 1 else max(round(side * scale / STEP), 1) * STEP


# sigmoid(-2) = 0.12, about the share of foreground in COD10K's masks: an untrained network
# predicts no object, and the first steps need not unlearn one.
INITIAL_LOGIT = -2.0


class Lateral(nn.Module):
    """1x1 convolution and GroupNorm: any level of any backbone in the common width.

    The norm takes out the scale of the backbone's features, which differs between levels by
    orders of magnitude.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 1, bias=False)
        self.norm = nn.GroupNorm(GROUPS, width)

    def forward(self, feature: Tensor) -> Tensor:
        """``[B,channels,h,w]`` -> ``[B,width,h,w]``."""
        return self.norm(self.conv(feature))


class LogitHead(nn.Module):
    """1x1 convolution to one channel; starts near -2 everywhere."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, 1, 1)
        nn.init.normal_(self.conv.weight, std=0.01)
        nn.init.constant_(self.conv.bias, INITIAL_LOGIT)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """``[B,C,h,w]`` -> logits, float32 ``[B,1,h,w]``."""
        return self.conv(x).float()


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
