"""Designs by which experts could earn their keep: other evidence, other scales, fewer places."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from decamo.nn import Segmenter
from decamo.nn.experts import Mixture, Router, local_mean

__all__ = ["ChosenPlaces", "RawPixels", "SharedScales", "with_raw_pixels"]

# High-pass filters of steganalysis (Fridrich and Kodovsky, "Rich models for steganalysis of digital
# images", 2012), of second order, square 3 x 3 and square 5 x 5: what is left of an image is noise,
# whose grain a camouflaged animal does not share with its ground.
_SECOND = torch.tensor([1.0, -2.0, 1.0]) / 2
_SQUARE = torch.tensor([[-1.0, 2, -1], [2, -4, 2], [-1, 2, -1]]) / 4
_WIDE = torch.tensor(
    [[-1.0, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2],
     [-1, 2, -2, 2, -1]]
) / 12  # fmt: skip
_SURROUNDS = (8, 32)  # px; cells whose mean colour a pixel's is held against
_RAW_WIDTH = 16


class _RawEvidence(nn.Module):
    """Noise and colour against the surround, of the pixels themselves, at stride 4."""

    filters: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        line = F.pad(_SECOND[None], (1, 1, 2, 2))
        every = torch.stack((line, F.pad(_SQUARE, (1, 1, 1, 1)), _WIDE))
        self.register_buffer("filters", every.repeat(3, 1, 1)[:, None], persistent=False)
        channels = 3 * (len(every) + len(_SURROUNDS))
        self.enter = nn.Conv2d(channels, _RAW_WIDTH, 3, stride=2, padding=1)
        self.leave = nn.Conv2d(_RAW_WIDTH, width, 3, stride=2, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, image: Tensor) -> Tensor:
        """``[B,3,H,W]`` -> ``[B,width,H/4,W/4]``, zeros at first."""
        noise = F.conv2d(image, self.filters, padding=2, groups=3).abs()
        colours = [image - local_mean(image, cell) for cell in _SURROUNDS]
        return self.leave(F.gelu(self.enter(torch.cat((noise, *colours), dim=1))))


class RawPixels(Segmenter):
    """The finest level is also told what the pixels themselves say, unseen by any backbone.

    Made of a segmenter by :func:`with_raw_pixels`.
    """

    raw: _RawEvidence

    def _look(self, image: Tensor, prior: Tensor | None = None) -> tuple[list[Tensor], Tensor]:
        evidence = self.raw(image)
        return super()._look(image, evidence if prior is None else prior + evidence)


def with_raw_pixels(segmenter: Segmenter) -> Segmenter:
    """The same segmenter, with raw evidence beside its backbone."""
    segmenter.__class__ = RawPixels
    segmenter.raw = _RawEvidence(segmenter.head.conv.in_channels)
    return segmenter


class SharedScales(Mixture):
    """The same experts, with the same weights, also look at the level at half its size.

    The router has a gate for each expert at each of both scales.
    """

    def __init__(self, width: int, num_experts: int, expert_width: int) -> None:
        super().__init__(width, num_experts, expert_width)
        self.router = Router(width, 2 * num_experts)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``[B,C,h,w]`` -> the same shape, and gates float32 ``[B,2E]``."""
        gates = self.router(x)
        fine, coarse = gates.chunk(2, dim=1)
        small = F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
        seen = self._evidence(small, coarse)
        wide = F.interpolate(seen, size=x.shape[-2:], mode="bilinear")
        return x + self._evidence(x, fine) + wide, gates

    def _evidence(self, x: Tensor, gates: Tensor) -> Tensor:
        entered = self.enter(x).chunk(len(self.experts), dim=1)
        seen = [expert(part) for expert, part in zip(self.experts, entered, strict=True)]
        weight = (gates[:, None, :, None] * self.leave).flatten(2)
        return torch.bmm(weight, torch.cat(seen, dim=1).flatten(2)).view_as(x)


class ChosenPlaces(nn.Module):
    """A wider block of the same FLOPs, at the quarter of the places that a learnt score chooses.

    Places are squares of 4 x 4 positions; as many are chosen in every image, so that shapes are
    static and nothing waits for the device. What a chosen place is given is weighted by how surely
    it was chosen, which is how the score learns.
    """

    side, share = 4, 4

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.router = Router(width, 1)  # one gate, always 1, for trainer and loss
        self.choose = nn.Conv2d(width, 1, 1)
        self.enter = nn.Conv2d(width, hidden, 1)
        self.conv = nn.Conv2d(hidden, hidden, 3)
        self.leave = nn.Conv2d(hidden, width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``[B,C,h,w]`` -> the same shape, and gates float32 ``[B,1]``, all 1."""
        side, (height, width) = self.side, x.shape[-2:]
        below, right = -height % side, -width % side
        whole = F.pad(x, (0, right, 0, below))
        images, channels, rows, columns = whole.shape
        scores = F.avg_pool2d(F.pad(self.choose(x), (0, right, 0, below)), side).flatten(1)
        score, place = scores.topk(-(-scores.shape[1] // self.share), dim=1)
        # each place with a border of one position, as its 3x3 convolution wants it
        around = F.unfold(F.pad(whole, (1, 1, 1, 1)), side + 2, stride=side)
        taken = around.gather(2, place[:, None].expand(-1, around.shape[1], -1))
        parts = taken.transpose(1, 2).reshape(-1, channels, side + 2, side + 2)
        added = self.leave(F.gelu(self.conv(self.enter(parts)))).view(*place.shape, -1)
        added = (added * score.sigmoid()[..., None]).transpose(1, 2)
        every = added.new_zeros(images, channels * side**2, scores.shape[1])
        every = every.scatter(2, place[:, None].expand_as(added), added)
        put = F.fold(every, (rows, columns), side, stride=side)
        return x + put[..., :height, :width], self.router(x)
