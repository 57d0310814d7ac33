"""An image larger or smaller than it came, in multiples of the deepest stride."""

import torch.nn.functional as F
from torch import Tensor

from decamo.nn.backbone import STRIDES

__all__ = ["magnified", "magnified_side"]

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
