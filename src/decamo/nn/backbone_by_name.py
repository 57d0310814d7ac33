"""From a timm name to a backbone: the first way of opening it that gives a pyramid."""

import difflib

import timm
from torch import nn

from decamo.errors import ModelError, UnknownBackbone
from decamo.nn.backbone import Backbone
from decamo.nn.feature_maps import (
    AS_IS,
    BackboneVariant,
    any_size,
    for_size,
    is_plain,
    open_network,
    unfit,
)
from decamo.nn.pretrained import load_pretrained

__all__ = ["create_backbone"]

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
    for variant in (AS_IS, *any_size(name)):
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
