"""Beyond the network's one look at an image: several views averaged, a closer look, a decision.

Views are mirrored and magnified; the closer look is at a window around what the first one saw.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from decamo.inference.views import Views

__all__ = [
    "FINER",
    "Window",
    "best_expected_iou",
    "blended",
    "decided",
    "finer",
    "seen_through",
    "window_of",
]


def seen_through(views: Views, see: Callable[[Tensor, float], Tensor], image: Tensor) -> Tensor:
    """The logits of the mean probability of a network over the views of a batch.

    Probabilities are averaged, not logits: where views disagree the mean of probabilities says how
    often an object is seen there, and one view that is very sure does not outvote the others.

    Args:
        views: of each image.
        see: normalized float ``[B,3,S,S]`` and a scale -> logits ``[B,1,S,S]``; the network
            magnifies by itself.
        image: float ``[B,3,S,S]``, normalized.

    Returns:
        float32 ``[B,1,S,S]``; of one view exactly the network's own logits.
    """
    found = []
    for scale in views.scales:
        for mirrored in (False, True) if views.flips else (False,):
            logits = see(image.flip(-1) if mirrored else image, scale).float()
            found.append(logits.flip(-1) if mirrored else logits)
    if len(found) == 1:
        return found[0]
    seen = torch.stack(found)
    # The logit of a mean is the difference of two logarithms; each keeps the digits of its tail.
    return F.logsigmoid(seen).logsumexp(0) - F.logsigmoid(-seen).logsumexp(0)


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
    likeliest, expected = _expectations(logits)
    threshold = likeliest.gather(1, expected.argmax(1, keepdim=True)).clamp(-_SUREST, _SUREST)
    return logits - threshold[:, :, None, None]


def best_expected_iou(logits: Tensor) -> Tensor:
    """The IoU that each map's region by :func:`decided` is expected to have with the object.

    The maximum that decides there, under the map's own probabilities: as good as they are
    calibrated, so that it ranks maps rather than measures them.

    Args:
        logits: float ``[B,1,H,W]``, as the network gives them.

    Returns:
        float64 ``[B]`` in [0,1]; 0 for a map that is not finite.
    """
    _, expected = _expectations(logits)
    return expected.amax(1).nan_to_num(0.0)


def _expectations(logits: Tensor) -> tuple[Tensor, Tensor]:
    """``[B, H W]`` each: logits, the likeliest first, and the expected IoU of so many pixels."""
    likeliest = logits.flatten(1).sort(dim=1, descending=True).values
    met = likeliest.double().sigmoid().cumsum(1)
    count = torch.arange(1, met.shape[1] + 1, device=met.device)
    return likeliest, met / (count + met[:, -1:] - met)


FINER = 2
"""Side of a blended map, in sides of the network's: a window brings finer pixels than its own."""

# None of these was tuned beyond a first try on one network (docs/quality.md has what they bring).
_TAIL = 0.02  # share of the object's mass beyond either end of its extent
_MARGIN = 0.3  # of the extent, on each side: a network needs the ground to tell an object from it
_LEAST = 0.4  # smallest side of a window, as a share of the image's
_LARGEST = 0.6  # a window of a larger share of the image is no closer look
_FAINTEST = 1e-6  # probabilities nearer to 0 or 1 than this are not told apart


@dataclass(frozen=True)
class Window:
    """A part of an image, in shares of its height and width.

    Attributes:
        top: its upper edge, in [0,1).
        left: its left edge, in [0,1).
        height: in (0,1].
        width: in (0,1].
    """

    top: float
    left: float
    height: float
    width: float

    def slices(self, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns of an image of that size; at least one of each."""
        return _span(self.top, self.height, height), _span(self.left, self.width, width)

    def cut(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Its part of an image ``[H, W, 3]``."""
        return image[self.slices(image.shape[0], image.shape[1])]


def window_of(logits: Tensor) -> Window | None:
    """The window around what a map shows, with some ground; None where it would be no closer.

    The object is the region of the best expected IoU (:func:`decided`), whatever is decided in the
    end: shy maps know where an object is before they are sure of it.

    Args:
        logits: ``[1,S,S]``.
    """
    p = logits.sigmoid()[0] * (decided(logits[None])[0, 0] >= 0)
    top, height = _extent(p.sum(1))
    left, width = _extent(p.sum(0))
    return Window(top, left, height, width) if height * width < _LARGEST else None


def blended(first: Tensor, closer: Tensor, window: Window) -> Tensor:
    """Mean probability of both looks within the window, the first look's outside.

    Args:
        first: logits of the whole image, ``[1,S,S]``.
        closer: logits of the window, ``[1,S,S]``.
        window: that was looked at.

    Returns:
        logits ``[1, FINER S, FINER S]``, within 14 of 0.
    """
    p = finer(first).sigmoid()
    rows, columns = window.slices(p.shape[-2], p.shape[-1])
    inner = p[:, rows, columns]
    size = (inner.shape[-2], inner.shape[-1])
    second = F.interpolate(closer[None], size=size, mode="bilinear", antialias=True)[0].sigmoid()
    p[:, rows, columns] = (inner + second) / 2
    return torch.logit(p, _FAINTEST)


def finer(logits: Tensor) -> Tensor:
    """A map ``[1,S,S]`` on the grid of blended ones."""
    return F.interpolate(logits[None], scale_factor=FINER, mode="bilinear")[0]


def _extent(mass: Tensor) -> tuple[float, float]:
    """Start and length, in shares, of where a mass along an axis lies, widened."""
    reached = mass.cumsum(0) / mass.sum().clamp_min(_FAINTEST)
    n = len(mass)
    begin = int((reached < _TAIL).sum()) / n
    end = min(int((reached < 1 - _TAIL).sum()) + 1, n) / n
    length = min(max((end - begin) * (1 + 2 * _MARGIN), _LEAST), 1.0)
    return min(max((begin + end - length) / 2, 0.0), 1.0 - length), length


def _span(start: float, length: float, size: int) -> slice:
    first = min(round(start * size), size - 1)
    return slice(first, max(round((start + length) * size), first + 1))
