"""A timm model as a pyramid of four levels, with the parameters of each level."""

import contextlib
import difflib
from collections.abc import Iterator
from typing import Any, cast

import timm
import torch
import torch.utils.checkpoint
from torch import Tensor, nn

from decamo.errors import ModelError, UnknownBackbone, WeightsUnavailable
from decamo.nn.weights import REMEDY, check_pretrained

__all__ = ["STRIDES", "Backbone", "create_backbone"]

STRIDES = (4, 8, 16, 32)
_REGISTERED = {"_parameters", "_buffers", "_modules"}
_HOLDERS = (dict, list, tuple, Tensor)
PROBE_SIZE = 64  # px; two positions at stride 32, so that no level of a probe is a single one


class Backbone(nn.Module):
    """A feature extractor with the levels of strides 4, 8, 16 and 32.

    Attributes:
        name: timm's name of it.
        channels: channels of each level, shallowest first.
        levels: names of the parameters of each level, as in :meth:`named_parameters`. A
            parameter belongs to the first level whose gradient reaches it, because that is the
            first one that it can change; what no gradient reaches belongs to the last.
        mean: mean of the input channels that its weights expect, RGB in [0,1].
        std: their standard deviation, in the same unit.
        checkpointing: whether activations are recomputed in the backward pass.

    Args:
        name: timm's name.
        net: timm's ``features_only`` model; returns a list of feature maps.

    Raises:
        ModelError: the network has no such pyramid.
    """

    def __init__(self, name: str, net: nn.Module) -> None:
        super().__init__()
        self.name = name
        self.net = net.eval()
        config: dict[str, Any] = getattr(net, "pretrained_cfg", {})
        self.mean: tuple[float, ...] = tuple(config.get("mean", timm.data.IMAGENET_DEFAULT_MEAN))
        self.std: tuple[float, ...] = tuple(config.get("std", timm.data.IMAGENET_DEFAULT_STD))
        self._channels_last = str(getattr(net, "output_fmt", "NCHW")).endswith("NHWC")
        self._taken = _pick_levels(name, net)
        widths: list[int] = cast(Any, net).feature_info.channels()
        self.channels: tuple[int, ...] = tuple(widths[index] for index in self._taken)
        self.checkpointing = False
        self._caches = _Caches()
        self._sizes = {PROBE_SIZE}
        self.levels = self._levels_by_reach()

    def forward(self, image: Tensor) -> list[Tensor]:
        """Feature maps ``[B,C,H/s,W/s]`` for strides 4, 8, 16, 32 of a normalised image."""
        wrap = self.checkpointing and not hasattr(self.net, "set_grad_checkpointing")
        with self._caches.kept_out(self.net, tuple(image.shape[-2:])):
            if wrap and torch.is_grad_enabled():
                features = torch.utils.checkpoint.checkpoint(self.net, image, use_reentrant=False)
            else:
                features = self.net(image)
        taken = [features[index] for index in self._taken]
        return [f.permute(0, 3, 1, 2) for f in taken] if self._channels_last else taken

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
            raise _unfit_size(self.name, size, f"({error})") from error
        if [feature.shape[-1] for feature in features] != [size // stride for stride in STRIDES]:
            raise _unfit_size(self.name, size, f"at strides {STRIDES}")
        self._sizes.add(size)

    @torch.enable_grad()
    def _levels_by_reach(self) -> tuple[tuple[str, ...], ...]:
        image = torch.linspace(-1, 1, 3 * PROBE_SIZE**2).reshape(1, 3, PROBE_SIZE, PROBE_SIZE)
        try:
            features = self(image)
        except Exception as error:  # whatever a third-party network makes of a size it dislikes
            raise _unfit(self.name, f"does not take {PROBE_SIZE} px images ({error})") from error
        expected = [PROBE_SIZE // stride for stride in STRIDES]
        if [feature.shape[-1] for feature in features] != expected:
            raise _unfit(self.name, f"its levels lack the strides {STRIDES} that it declares")
        owner: dict[str, int] = {}
        names, parameters = zip(*self.named_parameters(), strict=True)
        for level, feature in enumerate(features):
            reached = torch.autograd.grad(
                feature.float().sum(), parameters, retain_graph=True, allow_unused=True
            )
            for name, gradient in zip(names, reached, strict=True):
                if gradient is not None:
                    owner.setdefault(name, level)
        last = len(STRIDES) - 1
        return tuple(
            tuple(name for name in names if owner.get(name, last) == level)
            for level in range(len(STRIDES))
        )


class _Absent:
    """Stands for an attribute that was not there; a class, so that a copy of it is itself."""


class _Caches:
    """Attributes in which a network keeps tensors from one forward pass to the next in eval mode.

    timm's attention biases (TinyViT, LeViT, EfficientFormer) are gathered once and kept until the
    network is in training mode, which a :class:`Backbone` never is: a second backward pass would go
    through the first one's graph, and weights that are loaded later would change nothing. What a
    pass leaves behind is found by looking at every module before and after, once an image size.
    """

    def __init__(self) -> None:
        self._sizes: set[tuple[int, ...]] = set()
        self._before: dict[tuple[str, str], Any] = {}

    @contextlib.contextmanager
    def kept_out(self, net: nn.Module, size: tuple[int, ...]) -> Iterator[None]:
        """Let one forward pass begin and end without anything kept from another."""
        self._restore(net)
        if size in self._sizes:
            try:
                yield
            finally:
                self._restore(net)
            return
        before = {key: _copied(value) for key, value in _attributes(net)}
        yield
        for key, value in _attributes(net):
            if _holds_tensor(value) and not _is_same(value, before.get(key)):
                self._before.setdefault(key, before.get(key, _Absent))
        self._sizes.add(size)
        self._restore(net)

    def _restore(self, net: nn.Module) -> None:
        for (place, name), value in self._before.items():
            module = net.get_submodule(place)
            if value is not _Absent:
                setattr(module, name, _copied(value))
            elif hasattr(module, name):
                delattr(module, name)


def _attributes(net: nn.Module) -> Iterator[tuple[tuple[str, str], Any]]:
    """Plain attributes of every module that may hold tensors, by module and name."""
    for place, module in net.named_modules():
        for name, value in vars(module).items():
            if name not in _REGISTERED and (value is None or isinstance(value, _HOLDERS)):
                yield (place, name), value


def _copied(value: Any) -> Any:
    return type(value)(value) if type(value) in (dict, list) else value


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_tensor, value.values()))
    return (
        any(map(_holds_tensor, value))
        if isinstance(value, list | tuple)
        else torch.is_tensor(value)
    )


def _is_same(value: Any, before: Any) -> bool:
    """Whether the very same tensors are in it as before."""
    if isinstance(value, dict) and isinstance(before, dict):
        return value.keys() == before.keys() and all(
            _is_same(v, before[k]) for k, v in value.items()
        )
    if isinstance(value, list | tuple) and isinstance(before, list | tuple):
        return len(value) == len(before) and all(map(_is_same, value, before))
    return value is before


def create_backbone(name: str, *, pretrained: bool) -> Backbone:
    """Make a backbone by timm's name; random weights come from torch's global CPU generator.

    Raises:
        UnknownBackbone: timm has no model of that name.
        WeightsUnavailable: ``pretrained`` is asked for and cannot be had.
        ModelError: the model cannot give a pyramid of strides 4, 8, 16 and 32.
    """
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.4)
        remedy = f"did you mean {' or '.join(near)}?" if near else "see timm.list_models()"
        raise UnknownBackbone("--backbone", f"timm knows no model {name!r}", remedy)
    backbone = Backbone(name, _features(name))
    if pretrained:
        check_pretrained(name)
        try:
            source = timm.create_model(name, features_only=True, pretrained=True)
        except Exception as error:  # network, disk, hub and archive have a family of errors each
            raise WeightsUnavailable(
                "--pretrained", f"the weights of {name} cannot be had ({error})", REMEDY
            ) from error
        backbone.net.load_state_dict(source.state_dict())
    return backbone


def _features(name: str) -> nn.Module:
    try:
        return timm.create_model(name, features_only=True)
    except Exception as error:  # timm says no in several ways, some of them an assertion
        raise _unfit(name, f"gives no feature maps ({error})") from error


def _pick_levels(name: str, net: Any) -> tuple[int, ...]:
    """For each stride the deepest feature map that has it."""
    reductions: list[int] = net.feature_info.reduction()
    if missing := [stride for stride in STRIDES if stride not in reductions]:
        raise _unfit(name, f"has no feature map of stride {missing[0]}, only {reductions}")
    return tuple(
        max(index for index, reduction in enumerate(reductions) if reduction == stride)
        for stride in STRIDES
    )


def _unfit(name: str, why: str) -> ModelError:
    return ModelError(
        "--backbone",
        f"{name} {why:.200}",
        "choose a pyramid such as edgenext_base or convnext_tiny",
    )


def _unfit_size(name: str, size: int, why: str) -> ModelError:
    return ModelError(
        "--img-size",
        f"{name} does not take {size} px images {why:.160}",
        "give a smaller --img-size, or another --backbone such as edgenext_base or convnext_tiny",
    )
