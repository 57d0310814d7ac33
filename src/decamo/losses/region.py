"""Overlap of the predicted region and the true one."""

import torch
from torch import Tensor

from decamo.losses.pixel import TINY

__all__ = ["region_loss"]


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
