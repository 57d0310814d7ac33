"""Draw what is to happen to a sample, then do it: two steps, so that either can be replayed."""

import math
from dataclasses import dataclass

import torch
import torchvision.transforms.v2.functional as F
from torch import Tensor

from decamo.data.draws import PIXELS, uniforms
from decamo.geometry import Squash

__all__ = ["Augmentation", "apply", "draw"]

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
_KEPT = 0.3  # share of the object that a crop must keep
_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601
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


def draw(seed: int, epoch: int, index: int) -> Augmentation:
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


def apply(aug: Augmentation, image: Tensor, mask: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Augment and squash one sample; no randomness is left here.

    Args:
        aug: what to do.
        image: uint8 ``[3, H, W]``, RGB.
        mask: uint8 or bool ``[1, H', W']``, 0 or 1. Its size may differ from the image's, where
            the image was decoded at a fraction of its size.
        size: side of the result, in px.

    Returns:
        uint8 ``[3, size, size]`` and uint8 ``[1, size, size]`` in {0, 1}. A crop that would keep
        less than 30 % of the object is not made.
    """
    crop = aug.crop if _keeps_object(mask, aug.crop) else Augmentation.crop
    image, mask = _cropped(image, crop), _cropped(mask, crop)
    image = Squash((image.shape[1], image.shape[2]), size).apply(image)
    share = Squash((mask.shape[1], mask.shape[2]), size).apply(mask.float())
    if aug.flip:
        image, share = image.flip(-1), share.flip(-1)
    if aug.angle:
        image, share = _rotated(image, aug.angle), _rotated(share, aug.angle)
    return _recoloured(aug, image).contiguous(), (share >= 0.5).to(torch.uint8)


def _keeps_object(mask: Tensor, crop: tuple[float, float, float, float]) -> bool:
    if crop == Augmentation.crop:
        return True
    return int(_cropped(mask, crop).count_nonzero()) >= _KEPT * int(mask.count_nonzero())


def _cropped(t: Tensor, crop: tuple[float, float, float, float]) -> Tensor:
    height, width = t.shape[-2:]
    top, left = round(crop[0] * height), round(crop[1] * width)
    bottom = max(round((crop[0] + crop[2]) * height), top + 1)
    right = max(round((crop[1] + crop[3]) * width), left + 1)
    top, left = min(top, height - 1), min(left, width - 1)
    return t[..., top:bottom, left:right]


def _rotated(t: Tensor, angle: float) -> Tensor:
    """Rotate a square; the corners are filled by reflection, of image and mask alike."""
    size = t.shape[-1]
    turn = math.radians(abs(angle))
    edge = math.ceil(size / 2 * (math.cos(turn) + math.sin(turn) - 1)) + 1
    edge = min(edge, size - 1)
    padded = F.pad(t, [edge] * 4, padding_mode="reflect")
    turned = F.rotate(padded, angle, interpolation=F.InterpolationMode.BILINEAR)
    return turned[..., edge : edge + size, edge : edge + size]


def _recoloured(aug: Augmentation, image: Tensor) -> Tensor:
    if _changes_colour(aug):
        # Brightness, contrast, saturation and hue are all affine in RGB, so one product does them:
        # measured 2 ms at 384 px on one core, against 13 ms for torchvision's four functions (its
        # hue goes through HSV). Only the last result is rounded and clamped, not each.
        values = image.float()
        mean = float((torch.tensor(_LUMA) * values.mean((1, 2))).sum())
        matrix = aug.brightness * aug.contrast * _colour_matrix(aug)
        bias = aug.brightness * (1 - aug.contrast) * mean
        image = (matrix @ values.flatten(1) + bias).reshape(image.shape)
        image = image.round_().clamp_(0, 255).to(torch.uint8)
    if aug.blur:
        reach = 2 * math.ceil(2 * aug.blur) + 1
        image = F.gaussian_blur(image, [reach, reach], [aug.blur, aug.blur])
    return image


def _changes_colour(aug: Augmentation) -> bool:
    factors = (aug.brightness, aug.contrast, aug.saturation)
    return any(factor != 1 for factor in factors) or aug.hue != 0 or aug.grey


def _colour_matrix(aug: Augmentation) -> Tensor:
    """Hue as a rotation of YIQ's colour plane, saturation as its scale; greys stay as they are."""
    to_yiq = torch.tensor((_LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)))
    # from red to yellow, YIQ's plane runs clockwise
    turn, scale = -math.tau * aug.hue, 0.0 if aug.grey else aug.saturation
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    plane = torch.tensor(((1.0, 0.0, 0.0), (0.0, cos, -sin), (0.0, sin, cos)))
    return torch.linalg.inv(to_yiq) @ plane @ to_yiq


def _crop(a: float, b: float, c: float, d: float) -> tuple[float, float, float, float]:
    """A window of random area and aspect (log-uniform), relative to the image's own aspect."""
    area = _between(*_AREA, a)
    aspect = math.exp(_between(math.log(_ASPECT[0]), math.log(_ASPECT[1]), b))
    height, width = min(1.0, math.sqrt(area / aspect)), min(1.0, math.sqrt(area * aspect))
    return c * (1 - height), d * (1 - width), height, width


def _between(low: float, high: float, u: float) -> float:
    return low + (high - low) * u
