"""What a network or a timm backbone costs: parameters, operations, and the maps that it gives."""

import json
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

from decamo.nn.backbone import STRIDES, create_backbone
from decamo.nn.pretrained import published
from decamo.nn.segmentation_network import TorchModule

__all__ = [
    "FACTS_FILE",
    "FACTS_SIZES",
    "TIMM_VERSION",
    "BackboneFacts",
    "Cost",
    "facts_of",
    "measure_cost",
    "names_like",
    "shipped_facts",
]


@dataclass(frozen=True)
class Cost:
    """Price of a network.

    Attributes:
        parameters: number of learnable scalars.
        flops: operations of one forward pass on one image: two for each multiply-add of
            convolutions and matrix products; element-wise work is not counted.
    """

    parameters: int
    flops: int


@torch.no_grad()
def measure_cost(model: TorchModule, size: int) -> Cost:
    """Run one image through a network, in eval mode, and count.

    Args:
        model: a segmenter, or its bare ``backbone``; left in the mode it was in.
        size: height and width of the image, in px.
    """
    parameters = sum(p.numel() for p in model.parameters())
    first = next(model.parameters())
    image = torch.zeros(1, 3, size, size, device=first.device, dtype=first.dtype)
    mode = model.training
    learning = [p for p in model.parameters() if p.requires_grad]
    model.eval()
    try:
        for parameter in learning:  # torch's counter hooks into gradients, and no_grad has none
            parameter.requires_grad_(False)
        with FlopCounterMode(display=False) as counter:
            model(image)
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
        model.train(mode)
    return Cost(parameters, counter.get_total_flops())


TIMM_VERSION = str(timm.__version__)

# Written by `python -m benchmarks backbones --write`: the networks that trained a step there.
FACTS_FILE = Path(__file__).with_name("backbones.json")
FACTS_SIZES = (384, 416)  # px


@dataclass(frozen=True)
class BackboneFacts:
    """A timm network as a backbone.

    Attributes:
        name: timm's name.
        parameters: scalars of the backbone, with the layers that make its missing levels.
        flops: of a forward pass of one image of 384 and of 416 px, as :class:`Cost` counts them.
        strides: of the maps that the network gives itself and that are used; the others of 4, 8,
            16 and 32 are made from them.
        weights: timm's name of the published weights; empty where there are none.
    """

    name: str
    parameters: int
    flops: tuple[int, ...]
    strides: tuple[int, ...]
    weights: str

    @property
    def has_every_level(self) -> bool:
        """Whether the network gives all the levels itself."""
        return self.strides == STRIDES


def names_like(pattern: str) -> list[str]:
    """Timm's names of a pattern; one without ``*``, ``?`` and ``[`` is a name or a part."""
    whole = pattern if set(pattern) & set("*?[") or timm.is_model(pattern) else f"*{pattern}*"
    return [name for name in timm.list_models() if fnmatch(name, whole)]


def facts_of(name: str) -> BackboneFacts:
    """Look at a network made without values; seconds, and no weight is drawn or read.

    Raises:
        UnknownBackbone: timm has no model of that name.
        ModelError: it gives no pyramid.
    """
    costs = []
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        backbone = create_backbone(name, pretrained=False, size=FACTS_SIZES[0])
        for size in FACTS_SIZES:
            if backbone.variant.built_for not in (None, size):
                backbone = create_backbone(name, pretrained=False, size=size)
            costs.append(measure_cost(backbone, size))
    return BackboneFacts(
        name=name,
        parameters=costs[0].parameters,
        flops=tuple(cost.flops for cost in costs),
        strides=backbone.maps.strides,
        weights=published(name)[0],
    )


def shipped_facts() -> dict[str, BackboneFacts]:
    """Networks that were tried, by name; empty where timm has another version than then."""
    content: dict[str, Any] = json.loads(FACTS_FILE.read_text())
    if content["timm"] != timm.__version__:
        return {}
    return {
        row["name"]: BackboneFacts(
            **(row | {"flops": tuple(row["flops"]), "strides": tuple(row["strides"])})
        )
        for row in content["backbones"]
    }
