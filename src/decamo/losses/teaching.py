"""How far a network is from one that is to be followed."""

import torch.nn.functional as F
from torch import Tensor

__all__ = ["teaching_loss"]


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
