"""A foreign network's backbone: where it is, and which parameter is how deep in it."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from decamo.errors import ModelError

__all__ = ["LEVELS", "LevelRecorder", "Levels", "backbone_module", "find_backbone"]

LEVELS = 4  # groups of the backbone that a plan knows
_NAMES = (
    "encoder",
    "backbone",
    "feature_extractor",
    "image_encoder",
    "trunk",
    "body",
    "features",
    "resnet",
    "vit",
    "swin",
    "pvt",
)
# One attribute alone with such a word in its name is the backbone too: bkbone, shared_encoder.
_WORDS = re.compile(r"encoder|b(ac)?kbone|res2?ne[xs]?t|pvt|swin|vit|efficientnet|convnext")
# Stages that hang on the network itself, behind the first of these that are there.
_STEM = ("conv1", "bn1", "layer0")
_STAGES = ("layer1", "layer2", "layer3", "layer4")
_WRAPPERS = ("model", "net", "network", "module")
_MIN_BLOCKS = 4
_DIRECT = 2  # strides 2**2 to 2**5 are levels 0 to 3


def find_backbone(net: nn.Module, prefix: str = "") -> str:
    """The attribute of a network that is its backbone, dotted where nested.

    Args:
        net: the network.
        prefix: as the user named it, several parts with spaces between; empty where it is to be
            found.

    Returns:
        empty where none is found: then all of it is head; several parts with spaces between.

    Raises:
        ModelError: there is no module of the name given, or it has no parameters.
    """
    if " " in prefix.strip():
        return " ".join(find_backbone(net, part) for part in prefix.split())
    if prefix:
        try:
            found: nn.Module | None = net.get_submodule(prefix)
        except AttributeError:
            found = None
        if found is None or not any(True for _ in found.parameters()):
            there = ", ".join(name for name, _ in net.named_children())
            what = "has no module" if found is None else "has no parameters in"
            raise ModelError(
                "--backbone-prefix",
                f"the network {what} {prefix!r}",
                f"choose from {there:.200} or what is inside of them",
            )
        return prefix
    return next(_candidates(net, sum(1 for _ in net.parameters())), "") or _stages_of(net)


def backbone_module(net: nn.Module, prefix: str) -> tuple[nn.Module, str]:
    """The backbone, and what stands before its names in those of the network.

    Args:
        net: the network.
        prefix: as :func:`find_backbone` gives it. Several parts are put side by side in a module
            that is never run.
    """
    if " " not in prefix:
        return net.get_submodule(prefix), f"{prefix}." if prefix else ""
    parts = nn.Module()
    for name in prefix.split():
        place = parts
        for at in name.split(".")[:-1]:
            if at not in dict(place.named_children()):
                place.add_module(at, nn.Module())
            place = place.get_submodule(at)
        place.add_module(name.rpartition(".")[2], net.get_submodule(name))
    return parts, ""


def _stages_of(net: nn.Module) -> str:
    """The stages of a ResNet, where a network has them as attributes of its own."""
    inside = dict(net.named_children())
    if not all(name in inside for name in _STAGES):
        return ""
    return " ".join([*(name for name in _STEM if name in inside), *_STAGES])


def _candidates(net: nn.Module, whole: int, at: str = "") -> Iterator[str]:
    """Names of likely backbones that leave something for a head, likeliest first."""
    inside = dict(net.named_children())
    base = getattr(net, "base_model_prefix", "")  # what transformers calls it
    names = [*_NAMES, *([base] if isinstance(base, str) and base not in _WRAPPERS else [])]
    held = [n for n in names if n in inside and any(True for _ in inside[n].parameters())]
    for name in held:
        if sum(1 for _ in inside[name].parameters()) < whole:
            yield at + name
    worded = [n for n, m in inside.items() if _WORDS.search(n.lower()) and _has_parameters(m)]
    if len(worded) == 1 and sum(1 for _ in inside[worded[0]].parameters()) < whole:
        yield at + worded[0]
    for name in [*held, *(w for w in _WRAPPERS if w in inside)]:
        yield from _candidates(inside[name], whole, f"{at}{name}.")


@dataclass(frozen=True)
class Levels:
    """How deep each parameter of a backbone lies.

    Attributes:
        of: name of the parameter within the backbone -> level, 0 is the shallowest of 4.
        modules: name of each module that was run -> level.
        how: what divides them, in words.
    """

    of: Mapping[str, int] = field(default_factory=dict)
    modules: Mapping[str, int] = field(default_factory=dict)
    how: str = ""


class LevelRecorder:
    """Watches one forward pass of one image: ``with LevelRecorder(backbone) as seen:``.

    The order in which modules end and the number of positions that they give tell depth. A module
    lies at the finest stride that is still to come, so that what looks at a pooled map for a moment
    (squeeze and excitation, keys of an attention) stays with its block.

    Args:
        backbone: of the network that is run.
    """

    def __init__(self, backbone: nn.Module) -> None:
        self._backbone = backbone
        self._names = {id(module): name for name, module in backbone.named_modules()}
        self._order: dict[str, int | None] = {}  # in order of their ends; positions where known
        self._handles: list[Any] = []

    def __enter__(self) -> "LevelRecorder":
        self._handles = [
            m.register_forward_hook(self._heard, always_call=False)
            for m in self._backbone.modules()
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _heard(self, module: nn.Module, _: object, out: object) -> None:
        name = self._names[id(module)]
        if name not in self._order:
            self._order[name] = _positions(module, out)

    def levels(self, pixels: int) -> Levels:
        """Divide the backbone, by strides where it has all of 4, 8, 16 and 32, else by depth.

        Args:
            pixels: of the image that went through.
        """
        by_stride = self._by_stride(pixels)
        if set(by_stride.values()) >= set(range(LEVELS)):
            return self._spread(by_stride, "by strides 4, 8, 16 and 32")
        chain = self._chain()
        if chain:
            blocks = [n for n in self._order if n.rpartition(".")[0] == chain]
            how = f"by depth, {len(blocks)} blocks in four parts"
            return self._spread(self._by_block(chain, blocks), how)
        leaves = [n for n in self._leaves() if self._own(n)]
        quarter = {n: i * LEVELS // len(leaves) for i, n in enumerate(leaves)}
        return self._spread(quarter, f"by depth, {len(leaves)} layers in four parts")

    def _by_stride(self, pixels: int) -> dict[str, int]:
        found: dict[str, int] = {}
        finest = 0
        for name in reversed(self._leaves()):
            finest = max(finest, self._order[name] or 0)
            if finest:
                stride = math.log2(math.sqrt(pixels / finest))
                found[name] = min(max(round(stride) - _DIRECT, 0), LEVELS - 1)
        return found

    def _chain(self) -> str:
        """The longest list of blocks of one class that were run one after the other."""
        best, most = "", _MIN_BLOCKS - 1
        for name, module in self._backbone.named_modules():
            if isinstance(module, nn.ModuleList | nn.Sequential):
                kinds = [
                    type(child)
                    for key, child in module.named_children()
                    if (f"{name}.{key}" if name else key) in self._order and _has_parameters(child)
                ]
                if len(kinds) > most and len(set(kinds)) == 1 and name:
                    best, most = name, len(kinds)
        return best

    def _by_block(self, chain: str, blocks: list[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        passed = 0  # blocks that have ended
        for name in self._leaves():
            inside = next((b for b in blocks if name == b or name.startswith(f"{b}.")), None)
            if inside is not None:
                passed = blocks.index(inside)
            found[name] = passed * LEVELS // len(blocks)
        return found

    def _leaves(self) -> list[str]:
        """Modules that were run and have no other within that was, in order."""
        parents = {n.rpartition(".")[0] for n in self._order if n}
        holders = set(parents)
        for parent in parents:
            while parent:
                parent = parent.rpartition(".")[0]
                holders.add(parent)
        return [n for n in self._order if n not in holders]

    def _own(self, name: str) -> bool:
        return any(True for _ in self._backbone.get_submodule(name).parameters())

    def _spread(self, leaves: Mapping[str, int], how: str) -> Levels:
        """From the modules that were run to all: a module lies where its first part does."""
        modules = dict(leaves)
        for name, level in leaves.items():
            while name:
                name = name.rpartition(".")[0]
                modules[name] = min(level, modules.get(name, level))
        of: dict[str, int] = {}
        for name, _ in self._backbone.named_parameters():
            place = name.rpartition(".")[0]
            unseen = place not in modules
            while place and place not in modules:
                place = place.rpartition(".")[0]
            # what hangs on the backbone itself and was never run, such as a classifier, is last
            of[name] = LEVELS - 1 if unseen and not place else modules.get(place, 0)
        return Levels(of, modules, how)


def _has_parameters(module: nn.Module) -> bool:
    return any(True for _ in module.parameters())


_CHANNELS: tuple[tuple[type[nn.Module], Callable[[Any], int]], ...] = (
    (nn.Conv2d, lambda m: m.out_channels),
    (nn.Linear, lambda m: m.out_features),
    (nn.LayerNorm, lambda m: m.normalized_shape[-1]),
    (nn.GroupNorm, lambda m: m.num_channels),
    (_BatchNorm, lambda m: m.num_features),
)


def _positions(module: nn.Module, out: object) -> int | None:
    """At how many places of an image a layer's output stands; None where it cannot be known."""
    if not isinstance(out, Tensor):
        return None
    for kind, channels in _CHANNELS:
        if isinstance(module, kind):
            return out.numel() // max(channels(module), 1)
    return None
