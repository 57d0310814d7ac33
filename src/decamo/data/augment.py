"""Draw what is to happen to a sample, then do it: two steps, so that either can be replayed.

Bytes are kept as long as they can be and floats appear for one filter at a time, in place. Each
filter agrees with torchvision's of the same name to one grey level (colour: docs/decisions/0005),
which the tests hold it to; ``python -m benchmarks loader`` has the times.
"""

import math
import sys
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from decamo.data.draws import PIXELS, uniforms
from decamo.data.mask_shares import share_of
from decamo.data.rules import VOID
from decamo.geometry import Squash

__all__ = [
    "Augmentation",
    "apply",
    "apply_stored",
    "blurred",
    "colour_matrix",
    "draw_augmentation",
    "mirror_filled",
    "mixed",
    "squashed_bytes",
]

_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601
_TO_YIQ = torch.tensor((_LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)))
_FROM_YIQ = torch.linalg.inv(_TO_YIQ)


def squashed_bytes(t: Tensor, size: int) -> Tensor:
    """uint8 ``[C, H, W]`` -> uint8 ``[C, size, size]``: bilinear, antialiased where it shrinks."""
    # A window of interleaved colours is copied together first: torch is quicker for that, though it
    # would take it as it is.
    together = torch.from_numpy(np.ascontiguousarray(t.permute(1, 2, 0).numpy())).permute(2, 0, 1)
    return Squash((t.shape[-2], t.shape[-1]), size).apply(together)


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
    return _bytes(soft.round_())


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
    offset = torch.tensor(brightness * (1 - contrast) * mean)
    new = torch.addmm(offset, brightness * contrast * matrix, values.flatten(1))
    return _bytes(new.round_().clamp_(0, 255)).reshape(image.shape)


def _bytes(values: Tensor) -> Tensor:
    """Whole numbers in [0, 255] as uint8; NumPy takes a third of the time that torch does."""
    return torch.from_numpy(values.numpy().astype(np.uint8))


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


# Mild on purpose: camouflage lives in colour and texture, and an object that jitter sets off from
# its ground is no longer the task. The kinds are those of SINet-v2's training code (flip, crop,
# rotation by up to 15 degrees, colour); the numbers are choices, and none was tuned.
_P_FLIP = 0.5
_P_CROP, _AREA, _ASPECT = 0.7, (0.4, 1.0), (0.75, 4 / 3)
_P_ROTATE, _DEGREES = 0.3, 15.0
_P_COLOUR, _BRIGHTNESS, _CONTRAST, _SATURATION = 0.8, 0.2, 0.2, 0.2
_P_HUE, _HUE = 0.3, 0.03  # turns of the colour circle
_P_BLUR, _SIGMA = 0.1, (0.3, 1.5)
_P_GREY = 0.05
_HALF = 128  # of 255ths: a share of at least one half
_KEPT = 0.3  # share of the object that a crop must keep
_DRAWS = 18  # more than are used: a new field takes the next number and changes no older one


@dataclass(frozen=True)
class Augmentation:
    """What happens to one sample; the defaults leave it as it is.

    Attributes:
        flip: mirror left and right.
        crop: top, left, height and width of the part kept, as shares of the image.
        angle: rotation about the centre after squashing, in degrees, counter-clockwise.
        brightness: factor on every value.
        contrast: factor on the distance from the mean grey.
        saturation: factor on the distance from the pixel's own grey.
        hue: shift along the colour circle, in turns; positive from red to yellow.
        blur: standard deviation of a Gaussian, in px of the result; 0 for none.
        grey: drop the colour.
    """

    flip: bool = False
    crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    angle: float = 0.0
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0
    blur: float = 0.0
    grey: bool = False


def draw_augmentation(seed: int, epoch: int, index: int) -> Augmentation:
    """What happens to sample ``index`` in ``epoch``: a function of these three numbers alone."""
    u = uniforms(PIXELS, seed, epoch, index, _DRAWS)
    colour = u[8] < _P_COLOUR
    return Augmentation(
        flip=u[0] < _P_FLIP,
        crop=_crop(u[2], u[3], u[4], u[5]) if u[1] < _P_CROP else (0.0, 0.0, 1.0, 1.0),
        angle=_between(-_DEGREES, _DEGREES, u[7]) if u[6] < _P_ROTATE else 0.0,
        brightness=_between(1 - _BRIGHTNESS, 1 + _BRIGHTNESS, u[9]) if colour else 1.0,
        contrast=_between(1 - _CONTRAST, 1 + _CONTRAST, u[10]) if colour else 1.0,
        saturation=_between(1 - _SATURATION, 1 + _SATURATION, u[11]) if colour else 1.0,
        hue=_between(-_HUE, _HUE, u[13]) if u[12] < _P_HUE else 0.0,
        blur=_between(*_SIGMA, u[15]) if u[14] < _P_BLUR else 0.0,
        grey=u[16] < _P_GREY,
    )


def apply(
    aug: Augmentation, image: Tensor, mask: Tensor, size: int, void: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Augment and squash one sample; no randomness is left here.

    Args:
        aug: what to do.
        image: uint8 ``[3, H, W]``, RGB.
        mask: uint8 or bool ``[1, H', W']``, 0 or 1. Its size may differ from the image's, where
            the image was decoded at a fraction of its size.
        size: side of the result, in px.
        void: bool, of the mask's shape: pixels that are neither object nor ground, if any can be.

    Returns:
        uint8 ``[3, size, size]`` and uint8 ``[1, size, size]``: 1 object, 0 ground, and ``VOID``
        where what is void could decide which. A crop that would keep less than 30 % of the object
        is not made.
    """
    crop = aug.crop if _keeps_object(mask, aug.crop) else Augmentation.crop
    shares = share_of(_cropped(mask, crop), size)
    if void is not None:
        shares = torch.cat((shares, share_of(_cropped(mask | void, crop), size)))
    return _finished(aug, squashed_bytes(_cropped(image, crop), size), shares)


def apply_stored(aug: Augmentation, stored: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Augment a sample that was squashed and stored before; no randomness is left here.

    Shares of the image are shares of the squashed image, so that crop, flip and colour are those
    of :func:`apply`; pixels were resampled once more. Whether a crop keeps enough of the object is
    asked of the squashed mask, and may be answered otherwise within a pixel of 30 %.

    Args:
        aug: what to do.
        stored: uint8 ``[c, c, 4]``: RGB, and the object's share of the pixel in 255ths; a fifth
            channel has the share of object and void together.
        size: side of the result, in px.

    Returns:
        As :func:`apply`.
    """
    planes = stored.permute(2, 0, 1)
    crop = aug.crop
    if not _keeps_object(_object_of(stored), crop):
        crop = Augmentation.crop
    squashed = squashed_bytes(_cropped(planes, crop), size)
    return _finished(aug, squashed[:3], squashed[3:])


def _object_of(stored: Tensor) -> Tensor:
    """Where the fourth channel says object: bool ``[1, c, c]``.

    Of four bytes a pixel, seen as one number, the fourth is the one with the sign where the least
    comes first, and is at least 128 where the number is negative: one pass over memory in order.
    """
    if stored.shape[-1] == 4 and sys.byteorder == "little" and stored.is_contiguous():
        return (stored.view(torch.int32)[..., 0] < 0)[None]
    return (stored[..., 3] >= _HALF)[None]


def _finished(aug: Augmentation, image: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    """All that happens after squashing, to uint8 ``[3, S, S]`` and shares ``[1 or 2, S, S]``."""
    if aug.flip:
        image, shares = image.flip(-1), shares.flip(-1)
    if aug.angle:
        turned = mirror_filled(torch.cat((image, shares)).float(), aug.angle)
        image, shares = _bytes(turned[:3].round_()), turned[3:]
    if _changes_colour(aug):
        matrix = colour_matrix(aug.hue, 0.0 if aug.grey else aug.saturation)
        image = mixed(image, matrix, aug.contrast, aug.brightness)
    if aug.blur:
        image = blurred(image, aug.blur)
    return image.contiguous(), _labels(shares)


def _labels(shares: Tensor) -> Tensor:
    """Shares of the object, and of it with all that is void, to labels ``[1, S, S]``.

    Every warp keeps the second at least as great as the first, so the two bound the truth, whatever
    hides in the void: a pixel is object where the lesser says so, ground where even the greater
    does not, and void only where they differ.
    """
    labels = torch.from_numpy((shares[:1].numpy() >= _HALF).view(np.uint8))
    if len(shares) > 1:
        labels[(shares[1:] >= _HALF) & (labels == 0)] = VOID
    return labels


def _keeps_object(mask: Tensor, crop: tuple[float, float, float, float]) -> bool:
    if crop == Augmentation.crop:
        return True
    kept = np.count_nonzero(_cropped(mask, crop).numpy())  # several times as fast as torch's
    return bool(kept >= _KEPT * np.count_nonzero(mask.numpy()))


def _cropped(t: Tensor, crop: tuple[float, float, float, float]) -> Tensor:
    height, width = t.shape[-2:]
    top, left = round(crop[0] * height), round(crop[1] * width)
    bottom = max(round((crop[0] + crop[2]) * height), top + 1)
    right = max(round((crop[1] + crop[3]) * width), left + 1)
    top, left = min(top, height - 1), min(left, width - 1)
    return t[..., top:bottom, left:right]


def _changes_colour(aug: Augmentation) -> bool:
    factors = (aug.brightness, aug.contrast, aug.saturation)
    return any(factor != 1 for factor in factors) or aug.hue != 0 or aug.grey


def _crop(a: float, b: float, c: float, d: float) -> tuple[float, float, float, float]:
    """A window of random area and aspect (log-uniform), relative to the image's own aspect."""
    area = _between(*_AREA, a)
    aspect = math.exp(_between(math.log(_ASPECT[0]), math.log(_ASPECT[1]), b))
    height, width = min(1.0, math.sqrt(area / aspect)), min(1.0, math.sqrt(area * aspect))
    return c * (1 - height), d * (1 - width), height, width


def _between(low: float, high: float, u: float) -> float:
    return low + (high - low) * u
