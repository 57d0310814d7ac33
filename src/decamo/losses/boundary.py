"""Agreement of outlines."""

import torch.nn.functional as F
from torch import Tensor

__all__ = ["boundary_loss", "soft_outline"]

# The logits come from stride 4 by interpolation: half the resolution loses nothing, and costs a
# quarter. A 3 x 3 gradient there is a band about 4 px wide.
REDUCTION = 2
TINY = 1e-6


def soft_outline(probability: Tensor) -> Tensor:
    """Morphological gradient over 3 x 3: dilation minus erosion.

    Args:
        probability: ``[B,1,H,W]`` in [0,1].

    Returns:
        ``[B,1,H,W]`` in [0,1]: 0 on plateaus, 1 along a sharp step.
    """
    dilated = F.max_pool2d(probability, 3, 1, 1)
    return dilated + F.max_pool2d(-probability, 3, 1, 1)


def boundary_loss(logits: Tensor, mask: Tensor, known: Tensor | None = None) -> Tensor:
    """One minus the soft Dice of the outlines of each image, at half the resolution.

    Dice with squares in the denominator (V-Net, Milletari et al. 2016). An image whose mask has
    no outline (empty or full) has loss 0 with a gradient of 0: there is nothing to align, and the
    other terms push its probabilities to one side.

    Args:
        logits: ``[B,1,H,W]``.
        mask: ``[B,1,H,W]`` in [0,1].
        known: 1 where a pixel is not void, of the same shape; None: everywhere. Outlines count
            where all that they are taken from is known.

    Returns:
        ``[B]`` in [0,1].
    """
    found = soft_outline(_reduced(logits.sigmoid()))
    true = soft_outline(_reduced(mask))
    if known is not None:
        unknown = F.max_pool2d(1 - known, REDUCTION, ceil_mode=True)
        counts = 1 - F.max_pool2d(unknown, 3, 1, 1)
        found, true = found * counts, true * counts
    squares = true.square().sum((1, 2, 3))
    overlap = (found * true).sum((1, 2, 3))
    dice = 2 * overlap / (found.square().sum((1, 2, 3)) + squares + TINY)
    return (1 - dice) * (squares > 0)


def _reduced(x: Tensor) -> Tensor:
    # An odd last row or column is averaged over what there is of it.
    return F.avg_pool2d(x, REDUCTION, ceil_mode=True, count_include_pad=False)
