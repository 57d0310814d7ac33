"""How timm is asked for a network's feature maps, and what the maps are good for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import timm
import torch
from timm.models import efficientformer
from torch import nn

from decamo.errors import ModelError
from decamo.nn.simple_pyramid import STRIDES, level_sources, nearest_stride

__all__ = [
    "AS_IS",
    "BackboneVariant",
    "FeatureMaps",
    "any_size",
    "for_size",
    "is_plain",
    "layout_of",
    "open_network",
    "unfit",
]


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
        with torch.random.fork_rng(devices=[]), torch.device(device):
            return _created(name, variant)
    except Exception as error:  # timm says no in several ways, some of them an assertion
        raise unfit(name, f"gives no feature maps ({error})") from error


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
