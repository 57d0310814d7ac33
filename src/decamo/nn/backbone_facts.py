"""What a timm network costs and gives as a backbone, found out without its weights."""

import json
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import timm
import torch

from decamo.nn.backbone import STRIDES
from decamo.nn.backbone_by_name import create_backbone
from decamo.nn.cost import measure_cost
from decamo.nn.pretrained import published

__all__ = [
    "FACTS_FILE",
    "FACTS_SIZES",
    "TIMM_VERSION",
    "BackboneFacts",
    "facts_of",
    "names_like",
    "shipped_facts",
]

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
