"""Which pixels are called object: a threshold, or the region of the best expected IoU."""

import torch
from torch import Tensor

__all__ = ["DECISIONS", "decided"]

DECISIONS = ("half", "iou")
"""``half``: object is what is more likely than not. ``iou``: see :func:`decided`."""

_SUREST = 9.0  # a logit of 0.9999: no map is moved by more, whatever a network is sure of


def decided(logits: Tensor) -> Tensor:
    """Shift each map so that its part above 0 has the highest expected IoU.

    More likely than not is the rule of fewest wrong pixels. Where the object is certain and its
    extent is not, IoU is better served by a larger region. By probabilities p, the k likeliest
    pixels meet an object of ``sum(p)`` pixels in about ``c_k``, the sum of their p, so that their
    IoU is about ``c_k / (k + sum(p) - c_k)``; the k that makes it largest gives the threshold
    (Nowozin, Optimal Decisions from Probabilistic Models, CVPR 2014; for Dice: Dai and Li,
    RankSEG, JMLR 2023). The quotient of two expectations stands for the expectation of the
    quotient, which neglects that neighbours are right or wrong together.

    The best region holds a pixel even where none is likely: this is for images that do hold an
    object.

    Args:
        logits: float ``[B,1,H,W]``.

    Returns:
        the same shape; each map is its own, less the logit of its threshold.
    """
    likeliest = logits.flatten(1).sort(dim=1, descending=True).values
    met = likeliest.double().sigmoid().cumsum(1)
    count = torch.arange(1, met.shape[1] + 1, device=met.device)
    expected = met / (count + met[:, -1:] - met)
    threshold = likeliest.gather(1, expected.argmax(1, keepdim=True)).clamp(-_SUREST, _SUREST)
    return logits - threshold[:, :, None, None]
