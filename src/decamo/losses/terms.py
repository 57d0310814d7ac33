"""The terms of the loss: of pixels, regions, outlines, the router and a teacher."""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "TINY",
    "balance_loss",
    "boundary_loss",
    "pixel_loss",
    "pixel_weights",
    "region_loss",
    "soft_outline",
    "teaching_loss",
]

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


def region_loss(logits: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """One minus the weighted soft IoU of each image.

    In the form ``(|p| + |t| - |p - t|) / (|p| + |t| + |p - t|)``, which is the familiar soft IoU
    for a mask in {0,1} and, unlike it, is best at p = t for a mask in between (Wang et al.,
    Jaccard Metric Losses, NeurIPS 2023).

    Without a foreground the IoU of the foreground would be 0 whatever is predicted, so it is that
    of the background there: the loss is then the weighted mean of p, and pushes it down.

    Args:
        logits: ``[B,1,H,W]``.
        mask: ``[B,1,H,W]`` in [0,1].
        weights: ``[B,1,H,W]``, not negative; what weighs nothing is left out.

    Returns:
        ``[B]`` in [0,1]; 0 where all weights are.
    """
    empty = (mask * weights).sum((1, 2, 3), keepdim=True) == 0
    sign = torch.where(empty, -1.0, 1.0).to(logits.dtype)
    p = (sign * logits).sigmoid()  # of the background: 1 - p, without its rounding
    t = torch.where(empty, 1 - mask, mask)
    total = (weights * (p + t)).sum((1, 2, 3))
    apart = (weights * (p - t).abs()).sum((1, 2, 3))
    return 2 * apart / (total + apart).clamp_min(TINY)


# The logits come from stride 4 by interpolation: half the resolution loses nothing, and costs a
# quarter. A 3 x 3 gradient there is a band about 4 px wide.
REDUCTION = 2
LEAST = 1e-6


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
    dice = 2 * overlap / (found.square().sum((1, 2, 3)) + squares + LEAST)
    return (1 - dice) * (squares > 0)


def _reduced(x: Tensor) -> Tensor:
    # An odd last row or column is averaged over what there is of it.
    return F.avg_pool2d(x, REDUCTION, ceil_mode=True, count_include_pad=False)


def balance_loss(gates: Tensor, usage: Tensor) -> Tensor:
    """``E sum_e usage_e P_e``, averaged over levels: 1 where all experts are used alike.

    P is the mean gate of this batch and carries the gradient, which takes probability from the
    experts that were used more than others. In the load-balancing loss of Switch Transformers
    (Fedus et al. 2022) usage is that of the same batch; here it is a running average, so that a
    batch of one image, which may well need one expert only, is judged by its predecessors.

    Args:
        gates: ``[levels,B,E]``, rows sum to 1.
        usage: ``[levels,E]``, rows sum to 1; its gradient is cut.

    Returns:
        Scalar, about 1.
    """
    batch = gates.mean(1)
    return gates.shape[-1] * (usage.detach() * batch).sum(1).mean()


def teaching_loss(logits: Tensor, taught: Tensor, known: Tensor | None = None) -> Tensor:
    """Mean over pixels of the Kullback-Leibler divergence from the teacher's map to the network's.

    Distillation (Hinton et al., 2015) at temperature 1 for one class: the cross-entropy against
    the teacher's probabilities less their own entropy, so that agreement costs nothing.

    Args:
        logits: ``[B,1,H,W]``.
        taught: the teacher's logits, of the same shape, without gradient.
        known: 1 where a pixel is not void, of the same shape, and counts; None: everywhere.

    Returns:
        ``[B]``, in nats, not negative but for rounding.
    """
    wanted = taught.sigmoid()
    apart = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    own = F.binary_cross_entropy_with_logits(taught, wanted, reduction="none")
    if known is None:
        return (apart - own).mean((1, 2, 3))
    return ((apart - own) * known).sum((1, 2, 3)) / known.sum((1, 2, 3)).clamp_min(1)
