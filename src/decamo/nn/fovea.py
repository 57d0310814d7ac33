"""The window of a second look: where it lies, what is seen in it, and how its map is put back.

As an eye does: the whole at a low resolution tells where to look, the fovea sees that place in the
pixels that the low resolution left out. Nothing here has a parameter, a shape that depends on what
is seen, or a wait for the device.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Fovea", "fovea_around", "put_back", "seen_at"]

# A filled square has a side of 3.5 standard deviations: 5.5 leave a margin of a good half of it.
SPREAD = 5.5
# At a glance of half the size, a window of half the side shows the image's own pixels one to one.
# A smaller one would show pixels that are not there; it still shows them larger.
LEAST = 0.35
# Share of the window's side, at each of its edges, over which the second map takes over.
RIM = 0.05


class Fovea(NamedTuple):
    """A square window of each image, in units of half the image, its centre being 0.

    Attributes:
        centre: x and y, float32 ``[B,2]``.
        half: half the side, float32 ``[B]`` in [0.35,1]; at 1 the window is the image.
    """

    centre: Tensor
    half: Tensor

    @classmethod
    def whole(cls, image: Tensor) -> "Fovea":
        """All of each image of ``[B,C,H,W]``."""
        zeros = image.new_zeros((image.shape[0], 2), dtype=torch.float32)
        return cls(zeros, zeros[:, 0] + 1)


@torch.no_grad()
def fovea_around(logits: Tensor) -> Fovea:
    """The window around what was found; the whole image where that lies all over it.

    Centre and side are mean and deviation of the positions, weighted by the square of their
    probability, so that what is hardly likely anywhere does not draw the window to the middle.

    Args:
        logits: ``[B,1,h,w]``.
    """
    weight = logits.float().sigmoid().square()[:, 0] + 1e-9
    weight = weight / weight.sum((1, 2), keepdim=True)
    shares = (weight.sum(1), weight.sum(2))  # along x, along y
    places = [_middles(share.shape[1], logits.device) for share in shares]
    means = [(share * at).sum(1, keepdim=True) for share, at in zip(shares, places, strict=True)]
    variances = [
        (share * (at - mean).square()).sum(1)
        for share, at, mean in zip(shares, places, means, strict=True)
    ]
    half = (torch.maximum(*variances).sqrt() * (SPREAD / 2)).clamp(LEAST, 1.0)
    room = (1 - half)[:, None]  # the window stays within the image
    centre = torch.cat(means, dim=1)
    return Fovea(torch.minimum(torch.maximum(centre, -room), room), half)


def seen_at(window: Fovea, x: Tensor, size: Sequence[int]) -> Tensor:
    """What lies in the window, resampled bilinearly and, where a whole image shrinks, smoothed.

    Bilinear sampling takes up to two pixels in a row into account: where the image has ``2 k`` for
    each of the result, ``k`` samples are averaged. Each window is treated alike, so that a small
    one is a little softer than it need be, and no shape depends on what is seen.

    Args:
        window: of each image.
        x: float ``[B,C,H,W]``.
        size: height and width of the result.

    Returns:
        ``[B,C,*size]``.
    """
    several = max(-(-x.shape[-2] // (2 * size[0])), 1)
    fine = [several * side for side in size]
    grid = _grid(fine, x.device) * window.half[:, None, None, None] + window.centre[:, None, None]
    sampled = _sampled(x, grid)
    return sampled if several == 1 else F.avg_pool2d(sampled, several)


def put_back(window: Fovea, whole: Tensor, part: Tensor) -> Tensor:
    """A map of the whole image with that of the window in its place.

    Args:
        window: of each image.
        whole: ``[B,1,H,W]``.
        part: what was seen through the window, ``[B,1,h,w]``.

    Returns:
        ``[B,1,H,W]``: ``part`` within the window, ``whole`` outside, in between along its rim.
        There is no rim where the window ends with the image.
    """
    half = window.half[:, None, None, None]
    grid = (_grid(whole.shape[-2:], whole.device) - window.centre[:, None, None]) / half
    placed = _sampled(part, grid)
    inner = 1 - grid.abs()  # distance to the window's edges, in halves of its side
    # beyond an edge that is also the image's there is nothing to pass over into
    at_border = (window.centre.abs() + window.half[:, None] > 1 - 1e-4)[:, None, None]
    same_side = grid.sign() == window.centre.sign()[:, None, None]
    whole_image = half > 1 - 1e-4
    inner = torch.where((at_border & same_side) | whole_image, torch.ones_like(inner), inner)
    share = (inner.amin(3) / (2 * RIM)).clamp(0.0, 1.0)[:, None]
    return whole + share * (placed - whole)


def _middles(count: int, device: torch.device) -> Tensor:
    """Middles of the positions along an axis, float32 ``[count]`` in (-1,1)."""
    return (torch.arange(count, device=device, dtype=torch.float32) * 2 + 1) / count - 1


def _grid(size: Sequence[int], device: torch.device) -> Tensor:
    """Middles of ``size`` positions over the whole image, x before y, float32 ``[1,h,w,2]``."""
    y, x = (_middles(side, device) for side in size)
    return torch.stack((x.expand(len(y), -1), y[:, None].expand(-1, len(x))), dim=-1)[None]


def _sampled(x: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(
        x.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
