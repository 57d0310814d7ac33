"""A timm model, by its name, as a pyramid of four levels with the parameters of each."""

import contextlib
import difflib
from itertools import chain
from typing import Any, cast

import timm
import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from torch import Tensor, nn

from decamo.errors import ModelError, UnknownBackbone
from decamo.nn.feature_maps import (
    AS_IS,
    STRIDES,
    BackboneVariant,
    FeatureMaps,
    SimplePyramid,
    any_size,
    for_size,
    is_plain,
    layout_of,
    open_network,
    unfit,
)
from decamo.nn.kept_tensors import KeptTensors
from decamo.nn.pretrained import load_pretrained

__all__ = [
    "PROBE_SIZE",
    "STRIDES",
    "Backbone",
    "create_backbone",
]

PROBE_SIZE = 64  # px; two positions at stride 32, so that no level of a probe is a single one


class Backbone(nn.Module):
    """A feature extractor with the levels of strides 4, 8, 16 and 32.

    Attributes:
        name: timm's name of it.
        variant: how timm was asked for it.
        channels: channels of each level, shallowest first.
        levels: names of the parameters of each level, as in :meth:`named_parameters`. A
            parameter belongs to the first level whose gradient reaches it, because that is the
            first one that it can change; what no gradient reaches belongs to the last. Those of a
            plain ViT are told apart by the quarter of the blocks that they first act in. What
            :attr:`pyramid` learns is in none of them: it starts fresh, like a head.
        pyramid: makes the levels that the network lacks.
        mean: mean of the input channels that its weights expect, RGB in [0,1].
        std: their standard deviation, in the same unit.
        checkpointing: whether activations are recomputed in the backward pass.
        frozen: whether no graph of the network is kept, so that only :attr:`pyramid` can learn.

    Args:
        name: timm's name.
        net: timm's ``features_only`` model; returns a list of feature maps.
        variant: how timm was asked for it.
        levels: as in the attribute, where another copy of the network was looked through.
        probe: height and width, in px, of the image that it is looked through with otherwise.

    Raises:
        ModelError: the network has no such pyramid.
    """

    def __init__(
        self,
        name: str,
        net: nn.Module,
        variant: BackboneVariant = AS_IS,
        *,
        levels: tuple[tuple[str, ...], ...] | None = None,
        probe: int = PROBE_SIZE,
    ) -> None:
        super().__init__()
        self.name = name
        self.variant = variant
        self.net = net.eval()
        config: dict[str, Any] = getattr(net, "pretrained_cfg", {})
        self.mean: tuple[float, ...] = tuple(config.get("mean", timm.data.IMAGENET_DEFAULT_MEAN))
        self.std: tuple[float, ...] = tuple(config.get("std", timm.data.IMAGENET_DEFAULT_STD))
        self._channels_last = str(getattr(net, "output_fmt", "NCHW")).endswith("NHWC")
        self.maps: FeatureMaps = layout_of(name, net)
        widths: list[int] = cast(Any, net).feature_info.channels()
        self.pyramid = SimplePyramid(
            self.maps.strides, [widths[index] for index in self.maps.taken]
        )
        self.channels = self.pyramid.channels
        self.checkpointing = False
        self.frozen = False
        self._kept = KeptTensors()
        self._sizes: set[int] = set()
        if levels is None:
            levels = self._levels_by_reach(probe)
            self._sizes.add(probe)
        self.levels = levels

    def forward(self, image: Tensor) -> list[Tensor]:
        """Feature maps ``[B,C,H/s,W/s]`` for strides 4, 8, 16, 32 of a normalized image.

        A network of patches that do not divide 32 px (14 in DINOv2) sees the image at the nearest
        multiple of its patch; its maps are resized to the exact strides.
        """
        with torch.no_grad() if self.frozen else contextlib.nullcontext():
            maps = self._maps(image)
        return self.pyramid([maps[index] for index in self.maps.taken], image.shape[-2:])

    def _maps(self, image: Tensor) -> list[Tensor]:
        """Every map that the network gives, channels second."""
        patch = self.maps.patch
        if any(side % patch for side in image.shape[-2:]):
            size = [max(round(side / patch), 1) * patch for side in image.shape[-2:]]
            image = F.interpolate(image, size=size, mode="bicubic")
        wrap = self.checkpointing and not hasattr(self.net, "set_grad_checkpointing")
        with self._kept.kept_out(self.net, tuple(image.shape[-2:])):
            if wrap and torch.is_grad_enabled():
                features = torch.utils.checkpoint.checkpoint(self.net, image, use_reentrant=False)
            else:
                features = self.net(image)
        return [f.permute(0, 3, 1, 2) for f in features] if self._channels_last else list(features)

    @property
    def note(self) -> str:
        """What of the levels is not the network's own, in a line; empty where all are."""
        parts = []
        if not self.pyramid.complete:
            own = " and ".join(map(str, self.maps.strides))
            made = [s for s, f in zip(STRIDES, self.pyramid.sources, strict=True) if f.doublings]
            parts.append(
                f"the features of {self.name} have a stride of {own} px; the levels of"
                f" {', '.join(map(str, made))} px are made from them"
            )
        if self.maps.patch > 1:
            parts.append(f"images are resized to multiples of its patch of {self.maps.patch} px")
        if self.variant.built_for is not None:
            parts.append(f"{self.name} is built for images of {self.variant.built_for} px")
        return "; ".join(parts)

    def set_checkpointing(self, enable: bool) -> None:
        """Recompute activations in the backward pass, or keep them."""
        self.checkpointing = enable
        if hasattr(self.net, "set_grad_checkpointing"):
            cast(Any, self.net).set_grad_checkpointing(enable)

    @torch.no_grad()
    def check_size(self, size: int) -> None:
        """Look whether images of ``size`` x ``size`` px give the pyramid, by one forward pass.

        Some networks take only sizes up to that of their weights (MViTv2), or multiples of a
        window. To be called on the CPU: an index out of range on a GPU leaves no way back.

        Raises:
            ModelError: they do not.
        """
        if size in self._sizes:
            return
        device = next(self.parameters()).device
        try:
            features = self(torch.zeros(1, 3, size, size, device=device))
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # whatever a third-party network makes of a size it dislikes
            if "memory" in str(error):
                raise
            raise unfit_size(self.name, size, f"({error})") from error
        if [feature.shape[-1] for feature in features] != [size // stride for stride in STRIDES]:
            raise unfit_size(self.name, size, f"at strides {STRIDES}")
        self._sizes.add(size)

    @torch.enable_grad()
    def _levels_by_reach(self, size: int) -> tuple[tuple[str, ...], ...]:
        names, parameters = zip(*self.net.named_parameters(prefix="net"), strict=True)
        image = torch.linspace(-1, 1, 3 * size**2, device=parameters[0].device)
        image = image.reshape(1, 3, size, size)
        try:
            maps = self._maps(image)
            features = self.pyramid([maps[index] for index in self.maps.taken], (size, size))
        except Exception as error:  # whatever a third-party network makes of a size it dislikes
            raise unfit(self.name, f"does not take {size} px images ({error})") from error
        expected = [size // stride for stride in STRIDES]
        if [feature.shape[-1] for feature in features] != expected:
            raise unfit(self.name, f"its levels lack the strides {STRIDES} that it declares")
        first: dict[str, int] = {}
        # timm freezes what only a classifier uses (EfficientViM)
        movable = {n: p for n, p in zip(names, parameters, strict=True) if p.requires_grad}
        for place, index in enumerate(self.maps.depths):
            reached = torch.autograd.grad(
                maps[index].float().sum(),
                tuple(movable.values()),
                retain_graph=True,
                allow_unused=True,
            )
            for name, gradient in zip(movable, reached, strict=True):
                if gradient is not None:
                    first.setdefault(name, place)
        last = len(self.maps.depths) - 1
        owners = [first.get(name, last) for name in names]
        return self.maps.levels(names, owners, [p.numel() for p in parameters])


def unfit_size(name: str, size: int, why: str) -> ModelError:
    """An error of images of a size that a network does not take."""
    return ModelError(
        "--img-size",
        f"{name} does not take {size} px images {why:.160}",
        "give a smaller --img-size, or another --backbone such as edgenext_base or convnext_tiny",
    )


# Multiples of 32 px, as every run's, but not of the windows of 7 and 8 that networks like: one
# that takes both takes every size.
_PROBES = (384, 416)


def create_backbone(
    name: str, *, pretrained: bool, size: int | None = None, built_for: int | None = None
) -> Backbone:
    """Make a backbone by timm's name; random weights come from torch's global CPU generator.

    Args:
        name: timm's name.
        pretrained: load the weights that timm publishes.
        size: largest image that it will see, in px. A network that takes other sizes than that
            of its weights only when it is built for them is built for this one.
        built_for: as the same network's variant had it, where that was not None.

    Raises:
        UnknownBackbone: timm has no model of that name.
        WeightsUnavailable: ``pretrained`` is asked for and cannot be had.
        ModelError: the model cannot give a pyramid of strides 4, 8, 16 and 32.
    """
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.4)
        remedy = f"did you mean {' or '.join(near)}?" if near else "see timm.list_models()"
        raise UnknownBackbone("--backbone", f"timm knows no model {name!r}", remedy)
    backbone = _built(name, built_for) if built_for is not None else _found(name, size)
    if pretrained:
        load_pretrained(backbone.net, name, backbone.variant.options)
    return backbone


def _found(name: str, size: int | None) -> Backbone:
    """The first way that suits every size, else the one for ``size``."""
    backbone, refused = None, unfit(name, "gives no feature maps")
    for variant in chain((AS_IS,), any_size(name)):  # each costs a sketch: asked one by one
        try:
            backbone = _as_is(name) if variant is AS_IS else _opened(name, variant, _PROBES)
            break
        except ModelError as error:
            refused = error if variant is AS_IS else refused
    if backbone is not None:
        try:
            if size is not None:
                backbone.check_size(size)
            return backbone
        except ModelError as error:
            refused = error
    if size is None:
        raise refused
    try:
        return _built(name, size)
    except ModelError:
        raise refused from None


def _sketch(name: str, variant: BackboneVariant) -> nn.Module | None:
    """The network without values; None where timm cannot make it so."""
    try:
        return open_network(name, variant, "meta")
    except ModelError:
        return None


def _as_is(name: str) -> Backbone:
    """As timm makes it, looked through with a small image."""
    sketch = _sketch(name, AS_IS)
    if sketch is not None and is_plain(sketch):
        raise unfit(name, "is plain")
    return Backbone(name, open_network(name, AS_IS))


def _built(name: str, size: int) -> Backbone:
    backbone = _opened(name, for_size(name, size), (size,))
    backbone.check_size(size)
    return backbone


def _opened(name: str, variant: BackboneVariant, sizes: tuple[int, ...]) -> Backbone:
    """Looked through at its real sizes on a copy without values, which costs next to nothing."""
    twin = _sketch(name, variant)
    if twin is not None:
        try:
            seen = Backbone(name, twin, variant, probe=sizes[0])
            for size in sizes[1:]:
                seen.check_size(size)
            return Backbone(name, open_network(name, variant), variant, levels=seen.levels)
        except ModelError as error:
            if "meta" not in str(error):
                raise
    backbone = Backbone(name, open_network(name, variant), variant, probe=sizes[0])
    for size in sizes[1:]:
        backbone.check_size(size)
    return backbone
