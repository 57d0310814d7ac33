"""Weighted cross-entropy: every pixel answers, the hard ones louder."""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["pixel_loss", "pixel_weights"]

# F3Net (Wei et al., AAAI 2020) weighs by 1 + 5 |mean over 31 x 31 - mask| at 352 px.
EMPHASIS = 5.0
WINDOW, WINDOW_AT = 31, 352


def pixel_weights(mask: Tensor) -> Tensor:
    """How much each pixel counts: 1 far from the outline, up to 6 on thin parts of it.

    ``1 + 5 |mean over k x k of the mask - mask|`` (F3Net); k is 31 at 352 px, scaled with the
    image's size to the nearest odd number and at least 3. Beyond the border nothing counts.

    Args:
        mask: float ``[B,1,H,W]`` in [0,1].

    Returns:
        ``[B,1,H,W]`` in [1,6], without gradient.
    """
    k = _window((mask.shape[-2] + mask.shape[-1]) / 2)
    with torch.no_grad():
        # One axis after the other: 2k instead of k * k terms, and the same mean, since the number
        # of pixels that a clipped window covers is the product of its sides.
        mean = F.avg_pool2d(mask, (k, 1), 1, (k // 2, 0), count_include_pad=False)
        mean = F.avg_pool2d(mean, (1, k), 1, (0, k // 2), count_include_pad=False)
        return 1 + EMPHASIS * (mean - mask).abs()


def pixel_loss(logits: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy per image, a weighted mean over its pixels.

    Args:
        logits: ``[B,1,H,W]``.
        mask: ``[B,1,H,W]`` in [0,1].
        weights: ``[B,1,H,W]``, positive.

    Returns:
        ``[B]``, not negative.
    """
    each = F.binary_cross_entropy_with_logits(logits, mask, reduction="none")
    return (weights * each).sum((1, 2, 3)) / weights.sum((1, 2, 3))


def _window(size: float) -> int:
    return max(3, 2 * round((WINDOW * size / WINDOW_AT - 1) / 2) + 1)
