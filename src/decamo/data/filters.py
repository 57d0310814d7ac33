"""What augmentation does to pixels, made quick for one core: rotation, blur, colour, squashing.

Bytes are kept as long as they can be and floats appear for one filter at a time, in place. Each
filter agrees with torchvision's of the same name to one grey level (colour: docs/decisions/0005),
which the tests hold it to; ``python -m benchmarks loader`` has the times.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from decamo.geometry import Squash

__all__ = ["blurred", "colour_matrix", "mirror_filled", "mixed", "share_of", "squashed_bytes"]

_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601
_TO_YIQ = torch.tensor((_LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)))
_FROM_YIQ = torch.linalg.inv(_TO_YIQ)


def squashed_bytes(t: Tensor, size: int) -> Tensor:
    """uint8 ``[C, H, W]`` -> uint8 ``[C, size, size]``: bilinear, antialiased where it shrinks."""
    return Squash((t.shape[-2], t.shape[-1]), size).apply(t)


def share_of(mask: Tensor, size: int) -> Tensor:
    """A mask as the covered share of each pixel of a square, in 255ths.

    One axis at a time, and each time along the columns of four interleaved channels, which is the
    layout that torch's resizing of bytes is quick for (at 680 x 1024 px 0.94 ms were measured,
    against 1.55 for a float mask). Rounded after each axis: within 1 of the exact share, so that a
    mask cut at 128 may differ from :meth:`~decamo.geometry.Squash.apply_mask` where half a pixel is
    covered.

    Args:
        mask: uint8 or bool ``[1, H, W]``, 0 or 1.
        size: side of the result, in px.

    Returns:
        uint8 ``[1, size, size]``.
    """
    shares = mask[0].to(torch.uint8) * 255
    return _squeezed(_squeezed(shares, size).T, size).T[None]


def _squeezed(t: Tensor, rows: int) -> Tensor:
    """uint8 ``[H, W]`` -> ``[rows, W]``."""
    height, width = t.shape
    if height == rows:
        return t
    wide = F.pad(t, (0, -width % 4)).reshape(1, height, -1, 4).permute(0, 3, 1, 2)
    new = F.interpolate(wide, (rows, wide.shape[-1]), mode="bilinear", antialias=True)
    return new.permute(0, 2, 3, 1).reshape(rows, -1)[:, :width]


def mirror_filled(t: Tensor, angle: float) -> Tensor:
    """Rotate squares about their centre; what comes in from outside is their reflection.

    Args:
        t: float ``[C, S, S]``.
        angle: degrees, counter-clockwise.
    """
    size = t.shape[-1]
    turn = math.radians(angle)
    axis = torch.linspace(-1, 1, size) if size > 1 else torch.zeros(1)
    along, across = axis * math.cos(turn), axis * math.sin(turn)
    grid = torch.empty(1, size, size, 2)
    torch.sub(along[None, :], across[:, None], out=grid[0, ..., 0])
    torch.add(across[None, :], along[:, None], out=grid[0, ..., 1])
    return F.grid_sample(t[None], grid, padding_mode="reflection", align_corners=True)[0]


def blurred(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur, one axis after the other; edges are filled by reflection.

    Args:
        image: uint8 ``[3, H, W]``, both sides over ``2 * sigma`` px.
        sigma: standard deviation, in px; the kernel is cut at two of them.
    """
    reach = math.ceil(2 * sigma)
    height, width = image.shape[-2:]
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    weights: list[float] = (taps / taps.sum()).tolist()
    padded = F.pad(image[None].float(), [reach] * 4, mode="reflect")[0]
    middle = padded[:, reach : reach + height] * weights[reach]
    for i in range(reach):
        other = 2 * reach - i
        middle.add_(padded[:, i : i + height], alpha=weights[i])
        middle.add_(padded[:, other : other + height], alpha=weights[i])
    soft = middle[..., reach : reach + width] * weights[reach]
    for i in range(reach):
        other = 2 * reach - i
        soft.add_(middle[..., i : i + width], alpha=weights[i])
        soft.add_(middle[..., other : other + width], alpha=weights[i])
    return soft.round_().to(torch.uint8)


def mixed(image: Tensor, matrix: Tensor, contrast: float, brightness: float) -> Tensor:
    """Each pixel's colour times a matrix, then contrast about the mean grey, then brightness.

    Args:
        image: uint8 ``[3, H, W]``, RGB.
        matrix: float32 ``[3, 3]``.
        contrast: factor on the distance from the mean grey.
        brightness: factor on every value.

    Returns:
        uint8 ``[3, H, W]``, rounded and clamped once.
    """
    values = image.float()
    mean = float((torch.tensor(_LUMA) * values.mean((1, 2))).sum())
    new = (brightness * contrast * matrix) @ values.flatten(1)
    new.add_(brightness * (1 - contrast) * mean).round_().clamp_(0, 255)
    return new.to(torch.uint8).reshape(image.shape)


def colour_matrix(hue: float, saturation: float) -> Tensor:
    """Hue as a rotation of YIQ's colour plane, saturation as its scale; greys stay as they are.

    Args:
        hue: in turns, positive from red to yellow.
        saturation: factor; 0 for none.
    """
    turn = -math.tau * hue  # from red to yellow, YIQ's plane runs clockwise
    cos, sin = saturation * math.cos(turn), saturation * math.sin(turn)
    plane = torch.tensor(((1.0, 0.0, 0.0), (0.0, cos, -sin), (0.0, sin, cos)))
    return _FROM_YIQ @ plane @ _TO_YIQ
