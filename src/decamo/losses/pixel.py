"""Weighted cross-entropy: every pixel answers, the hard ones louder."""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["TINY", "pixel_loss", "pixel_weights"]

# F3Net (Wei et al., AAAI 2020) weighs by 1 + 5 |mean over 31 x 31 - mask| at 352 px.
EMPHASIS = 5.0
WINDOW, WINDOW_AT = 31, 352
TINY = 1e-12  # of weights: nothing beside that of a single pixel


def pixel_weights(mask: Tensor, known: Tensor | None = None) -> Tensor:
    """How much each pixel counts: 1 far from the outline, up to 6 on thin parts of it.

    ``1 + 5 |mean over k x k of the mask - mask|`` (F3Net); k is 31 at 352 px, scaled with the
    image's size to the nearest odd number and at least 3. Beyond the border nothing counts, and
    nothing does that is not known.

    Args:
        mask: float ``[B,1,H,W]`` in [0,1].
        known: share of each pixel that is not void, of the same shape, in [0,1]; None: all of it.

    Returns:
        ``[B,1,H,W]`` in [1,6], without gradient; times ``known``, so that void weighs nothing.
    """
    k = _window((mask.shape[-2] + mask.shape[-1]) / 2)
    with torch.no_grad():
        if known is not None:
            both = torch.cat((mask * known, known), dim=1)
            both = F.avg_pool2d(both, (k, 1), 1, (k // 2, 0))
            both = F.avg_pool2d(both, (1, k), 1, (0, k // 2))
            # the object's share of a window over what is known of it: the window's size cancels
            mean = both[:, :1] / both[:, 1:].clamp_min(1e-6)
            return known * (1 + EMPHASIS * (mean - mask).abs())
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
        weights: ``[B,1,H,W]``, not negative.

    Returns:
        ``[B]``, not negative; 0 where all weights are.
    """
    each = F.binary_cross_entropy_with_logits(logits, mask, reduction="none")
    return (weights * each).sum((1, 2, 3)) / weights.sum((1, 2, 3)).clamp_min(TINY)


def _window(size: float) -> int:
    return max(3, 2 * round((WINDOW * size / WINDOW_AT - 1) / 2) + 1)
