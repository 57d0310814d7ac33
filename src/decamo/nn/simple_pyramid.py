"""Four levels of strides 4 to 32 from whatever maps a network gives (Li et al. 2022)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn

__all__ = ["STRIDES", "SimplePyramid", "Source", "level_sources", "nearest_stride"]

STRIDES = (4, 8, 16, 32)


@dataclass(frozen=True)
class Source:
    """Where a level of the pyramid comes from.

    Attributes:
        map: index of the network's map.
        doublings: how often its resolution is doubled; negative: halved; 0: it is the level.
    """

    map: int
    doublings: int


def nearest_stride(reduction: int) -> int:
    """The power of two, 4 to 32 px, next to a reduction: 16 for patches of 14 px."""
    return min(STRIDES, key=lambda stride: abs(stride - reduction))


def level_sources(strides: Sequence[int]) -> tuple[Source, ...]:
    """For each of the strides 4, 8, 16 and 32 the map that it is made from.

    A level that the network has is that map. One that it lacks comes from the next coarser map,
    which knows more than a finer one, or from the coarsest where there is none.

    Args:
        strides: of the network's maps, each one of 4, 8, 16 and 32, ascending.
    """
    found = []
    for wanted in STRIDES:
        index = next((i for i, s in enumerate(strides) if s >= wanted), len(strides) - 1)
        ratio = STRIDES.index(strides[index]) - STRIDES.index(wanted)
        found.append(Source(index, ratio))
    return tuple(found)


class SimplePyramid(nn.Module):
    """The levels of strides 4, 8, 16 and 32 from one to four maps of a network.

    After Li et al. 2022 (arXiv:2203.16527): a plain ViT's last map is enough; transposed
    convolutions double it, max-pooling halves it. Where a network has all four levels, they pass
    through and there is no parameter. The paper's convolutions and norms behind each level are
    left out: the segmenter's laterals and decoder do the same work.

    Attributes:
        sources: where each level comes from.
        channels: channels of each level, shallowest first; each doubling halves them.

    Args:
        strides: of the maps, each one of 4, 8, 16 and 32, ascending.
        channels: of the maps.
    """

    def __init__(self, strides: Sequence[int], channels: Sequence[int]) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.sources = level_sources(strides)
        self.steps = nn.ModuleList(_resampling(channels[s.map], s.doublings) for s in self.sources)
        self.channels = tuple(channels[s.map] >> max(s.doublings, 0) for s in self.sources)

    @property
    def complete(self) -> bool:
        """Whether the network has every level by itself."""
        return all(source.doublings == 0 for source in self.sources)

    def forward(self, maps: Sequence[Tensor], size: Sequence[int]) -> list[Tensor]:
        """Maps ``[B,C,h,w]`` of an image of ``size`` (H, W) px -> ``[B,C,H/s,W/s]`` of each stride.

        A map that is a little off its stride (of patches of 14 px) is resized first.
        """
        fitted = maps
        if not self.complete:
            fitted = [_fitted(m, s, size) for m, s in zip(maps, self.strides, strict=True)]
        return [
            step(fitted[source.map]) for source, step in zip(self.sources, self.steps, strict=True)
        ]


def _fitted(feature: Tensor, stride: int, size: Sequence[int]) -> Tensor:
    """Bilinear, to the size that the stride promises."""
    wanted = [side // stride for side in size]
    if list(feature.shape[-2:]) == wanted:
        return feature
    return F.interpolate(feature, size=wanted, mode="bilinear")


def _resampling(channels: int, doublings: int) -> nn.Module:
    if doublings <= 0:
        return nn.Sequential(*(nn.MaxPool2d(2) for _ in range(-doublings)))
    layers: list[nn.Module] = []
    for i in range(doublings):
        if i:
            layers += [LayerNorm2d(channels), nn.GELU()]
        layers.append(nn.ConvTranspose2d(channels, channels // 2, 2, stride=2))
        channels //= 2
    return nn.Sequential(*layers)
