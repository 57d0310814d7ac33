"""A timm model as a pyramid of four levels, with the parameters of each level."""

import difflib
from typing import Any, cast

import timm
import torch
import torch.utils.checkpoint
from torch import Tensor, nn

from decamo.errors import ModelError, UnknownBackbone, WeightsUnavailable
from decamo.nn.weights import REMEDY, check_pretrained

__all__ = ["STRIDES", "Backbone", "create_backbone"]

STRIDES = (4, 8, 16, 32)
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
        self.levels = self._levels_by_reach()

    def forward(self, image: Tensor) -> list[Tensor]:
        """Feature maps ``[B,C,H/s,W/s]`` for strides 4, 8, 16, 32 of a normalised image."""
        wrap = self.checkpointing and not hasattr(self.net, "set_grad_checkpointing")
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
