"""Resizes that give back their own inverse."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Squash"]


@dataclass(frozen=True)
class Squash:
    """The field's standard geometry: squash to a square, score at the native size.

    The aspect ratio is given up on purpose: SINet and most methods after it train and test on
    squares, so that published numbers compare best under this geometry.

    Attributes:
        native: height and width of the image as displayed, in px.
        size: side of the square, in px.
    """

    native: tuple[int, int]
    size: int

    def __post_init__(self) -> None:
        if min(*self.native, self.size) < 1:
            raise ValueError(f"sizes must be positive, got native {self.native}, size {self.size}")

    def apply(self, t: Tensor) -> Tensor:
        """Squash an image: bilinear, antialiased where a side shrinks.

        Args:
            t: uint8 or float ``[..., C, H, W]`` at the native size.

        Returns:
            ``[..., C, size, size]`` of the same dtype; uint8 is rounded.

        Raises:
            ValueError: ``t`` does not have the native size.
        """
        return _resize(t, self.native, (self.size, self.size))

    def apply_mask(self, mask: Tensor) -> Tensor:
        """Squash a mask: the covered share of each new pixel, on from one half.

        Args:
            mask: bool ``[..., H, W]`` at the native size.

        Returns:
            bool ``[..., size, size]``.

        Raises:
            ValueError: ``mask`` does not have the native size.
        """
        share = _resize(mask.unsqueeze(-3).float(), self.native, (self.size, self.size))
        return share.squeeze(-3) >= 0.5

    def undo(self, t: Tensor) -> Tensor:
        """Bring a prediction back to the native size: bilinear, antialiased where a side shrinks.

        Args:
            t: float ``[..., C, size, size]``, such as probabilities.

        Returns:
            ``[..., C, H, W]`` of the same dtype, within the range of ``t`` up to rounding (1e-6).

        Raises:
            ValueError: ``t`` is not ``size`` by ``size``.
        """
        return _resize(t, (self.size, self.size), self.native)


def _resize(t: Tensor, was: tuple[int, int], to: tuple[int, int]) -> Tensor:
    if t.ndim < 3 or tuple(t.shape[-2:]) != was:
        raise ValueError(f"want [..., C, {was[0]}, {was[1]}], got {list(t.shape)}")
    if was == to:
        return t.clone()
    # torch antialiases bytes on the CPU only, and half precision not everywhere
    native = t.dtype in (torch.float32, torch.float64) or (
        t.dtype == torch.uint8 and t.device.type == "cpu"
    )
    planes = t if native else t.float()
    flat = planes.reshape(math.prod(t.shape[:-3]), *t.shape[-3:])
    new = F.interpolate(flat, to, mode="bilinear", antialias=True)
    if t.dtype == torch.uint8 and not native:
        new = new.round().clamp(0, 255)
    return new.to(t.dtype).reshape(*t.shape[:-2], *to).contiguous()
