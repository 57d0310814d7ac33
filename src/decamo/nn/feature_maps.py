"""How timm is asked for a network's feature maps, and how four levels are made from any of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import timm
import torch
import torch.nn.functional as F
from timm.layers.norm import LayerNorm2d
from timm.models import efficientformer
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from decamo.errors import ModelError

__all__ = [
    "AS_IS",
    "STRIDES",
    "BackboneVariant",
    "FeatureMaps",
    "SimplePyramid",
    "Source",
    "any_size",
    "for_size",
    "is_plain",
    "layout_of",
    "level_sources",
    "nearest_stride",
    "open_network",
    "unfit",
]

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


@dataclass(frozen=True)
class BackboneVariant:
    """How timm is asked for a network.

    Attributes:
        options: arguments of :func:`timm.create_model` beside ``features_only``.
        built_for: height and width in px that shapes of weights depend on; None where none do.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    built_for: int | None = None


AS_IS = BackboneVariant()

# A network that takes any size by one of these needs no rebuilding for another --img-size.
_ANY_SIZE: tuple[Mapping[str, Any], ...] = (
    {"dynamic_img_size": True},
    {"strict_img_size": False},
    {},
)


@dataclass(frozen=True)
class FeatureMaps:
    """Which of a network's maps are used.

    Attributes:
        taken: indices of the maps that the pyramid is made from.
        strides: of these, ascending, each one of 4, 8, 16 and 32.
        depths: indices of the maps by which parameters are told apart, shallowest first; at most
            one for each level of the pyramid.
        shares: for each of four levels, which of ``depths`` its parameters come from.
        patch: sides of an image have to be multiples of this, in px; 1 where any will do.
    """

    taken: tuple[int, ...]
    strides: tuple[int, ...]
    depths: tuple[int, ...]
    shares: tuple[int, ...]
    patch: int = 1

    def levels(
        self, names: Sequence[str], owners: Sequence[int], sizes: Sequence[int]
    ) -> tuple[tuple[str, ...], ...]:
        """Names of the parameters of each level.

        Where a map serves several levels, its parameters are cut in their order into parts of
        about equally many scalars, the first for the shallowest level.

        Args:
            names: of all parameters, in order.
            owners: for each of them the first of ``depths`` that it can change.
            sizes: numbers of scalars.
        """
        found: list[list[str]] = [[] for _ in self.shares]
        for owner in range(len(self.depths)):
            mine = [i for i, o in enumerate(owners) if o == owner]
            levels = [level for level, share in enumerate(self.shares) if share == owner]
            total, done = sum(sizes[i] for i in mine), 0
            for i in mine:
                part = (done + sizes[i] / 2) * len(levels) / max(total, 1)
                found[levels[min(int(part), len(levels) - 1)]].append(names[i])
                done += sizes[i]
        return tuple(map(tuple, found))


def layout_of(name: str, net: Any) -> FeatureMaps:
    """Look at the strides that a network declares.

    Args:
        name: for the error.
        net: timm's feature extractor.

    Raises:
        ModelError: no level of strides 4 to 32 can be made from its maps.
    """
    reductions: list[int] = net.feature_info.reduction()
    if is_plain(net):
        count = len(reductions)
        stride = nearest_stride(reductions[0])
        return FeatureMaps(
            taken=(count - 1,),
            strides=(stride,),
            depths=tuple(range(count)),
            shares=tuple(level * count // len(STRIDES) for level in range(len(STRIDES))),
            patch=1 if stride == reductions[0] else reductions[0],
        )
    strides = tuple(stride for stride in STRIDES if stride in reductions)
    if not strides:
        raise unfit(name, f"has no feature map of strides 4 to 32, only {reductions}")
    # Of several maps of one stride the deepest.
    taken = tuple(max(i for i, r in enumerate(reductions) if r == s) for s in strides)
    return FeatureMaps(
        taken, strides, taken, tuple(source.map for source in level_sources(strides))
    )


def is_plain(net: Any) -> bool:
    """Whether every map has the same stride, as those of a plain ViT, other than one of 32 px."""
    reductions: list[int] = net.feature_info.reduction()
    return len(set(reductions)) == 1


def any_size(name: str) -> Iterator[BackboneVariant]:
    """Ways to open a network that leave its shapes as they are at every image size."""
    for options in _ANY_SIZE:
        yield BackboneVariant(_with_depths(name, options))


def for_size(name: str, size: int) -> BackboneVariant:
    """The way to open a network for images of ``size`` px alone, or up to it."""
    return BackboneVariant(_with_depths(name, {"img_size": size}), built_for=size)


def open_network(name: str, variant: BackboneVariant, device: str = "cpu") -> nn.Module:
    """Timm's feature extractor; random weights come from torch's global CPU generator.

    Args:
        name: timm's name.
        variant: how to ask for it.
        device: ``meta`` makes one without values, which draws no random number.

    Raises:
        ModelError: timm has no feature maps of it, or does not know an option.
    """
    try:
        if device == "cpu":
            return _created(name, variant)
        with torch.random.fork_rng(devices=[]), torch.device(device), _WithoutValues():
            return _created(name, variant)
    except Exception as error:  # timm says no in several ways, some of them an assertion
        raise unfit(name, f"gives no feature maps ({error})") from error


class _WithoutValues(TorchFunctionMode):
    """Draws no initial values, which a sketch has no place for; torch would load its compiler."""

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if getattr(func, "__name__", "") in ("normal_", "uniform_", "bernoulli_"):
            return args[0] if args else named["tensor"]
        return func(*args, **named)


def _created(name: str, variant: BackboneVariant) -> nn.Module:
    net: nn.Module = timm.create_model(name, features_only=True, **variant.options)
    if variant.built_for is not None:
        _fit_biases(net, -(-variant.built_for // STRIDES[-1]))
    return net


def _fit_biases(net: nn.Module, side: int) -> None:
    """Give EfficientFormer's attention a bias for each distance at its last stage.

    timm takes ``img_size`` for it, and keeps the 7 x 7 positions of 224 px all the same.
    """
    for module in net.modules():
        if isinstance(module, efficientformer.Attention):
            heads = module.num_heads
            donor = efficientformer.Attention(1, 1, num_heads=heads, attn_ratio=1, resolution=side)
            module.attention_biases = donor.attention_biases
            module.attention_bias_idxs = donor.attention_bias_idxs


def _with_depths(name: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ask a plain network for the maps at the end of each quarter of its blocks."""
    try:
        net: Any = open_network(name, BackboneVariant(options), "meta")
    except ModelError:
        return options
    blocks = len(getattr(getattr(net, "model", None), "feature_info", ()))
    if not is_plain(net) or not blocks:
        return options
    quarters = range(1, len(STRIDES) + 1)
    ends = sorted({-(-blocks * quarter // len(STRIDES)) - 1 for quarter in quarters})
    return {**options, "out_indices": tuple(ends)}


def unfit(name: str, why: str) -> ModelError:
    """An error of a network that gives no pyramid."""
    return ModelError(
        "--backbone",
        f"{name} {why:.200}",
        "choose a pyramid such as edgenext_base or convnext_tiny",
    )
