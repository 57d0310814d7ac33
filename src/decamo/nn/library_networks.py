"""Networks of segmentation-models-pytorch and of transformers, by class name."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
from torch import nn

from decamo.errors import ModelError, UnknownBackbone, WeightsUnavailable
from decamo.nn.network_sources import library
from decamo.nn.pretrained import check_pretrained
from decamo.nn.weights import REMEDY, load_weights_file
from decamo.settings import ModelSettings
from decamo.settings.network_names import NetworkSpec

__all__ = ["Made", "encoder_name", "smp_network", "transformers_network"]

_IMAGENET = timm.data.IMAGENET_DEFAULT_MEAN, timm.data.IMAGENET_DEFAULT_STD


@dataclass(frozen=True)
class Made:
    """A foreign module, and what is known of it.

    Attributes:
        net: the module.
        mean: of the input channels that its weights expect, RGB in [0,1].
        std: their standard deviation.
        backbone: name of its encoder, where that has one.
        config: plain values as JSON from which its class makes it again; empty for none.
        remarks: lines for whoever trains it.
    """

    net: nn.Module
    mean: tuple[float, ...] = _IMAGENET[0]
    std: tuple[float, ...] = _IMAGENET[1]
    backbone: str = ""
    config: str = ""
    remarks: tuple[str, ...] = ()


def encoder_name(backbone: str) -> str:
    """What segmentation-models-pytorch calls a backbone: its own name, or timm's behind ``tu-``.

    Raises:
        UnknownBackbone: neither library has it.
    """
    own: list[str] = library("segmentation_models_pytorch").encoders.get_encoder_names()
    bare = backbone.removeprefix("tu-")
    if backbone in own:
        return backbone
    if timm.is_model(bare.partition(".")[0]):
        return f"tu-{bare}"
    near = difflib.get_close_matches(bare, list({*own, *timm.list_models()}), n=3, cutoff=0.4)
    raise UnknownBackbone(
        "--backbone",
        f"neither segmentation-models-pytorch nor timm has {backbone!r}",
        f"did you mean {' or '.join(near)}?" if near else "give one such as resnet34",
    )


def smp_network(spec: NetworkSpec, settings: ModelSettings, *, initialize: bool) -> Made:
    """A network of segmentation-models-pytorch with one class.

    Args:
        spec: its class, such as ``FPN``.
        settings: backbone and its weights.
        initialize: False where a checkpoint will be loaded: then nothing is read or fetched.

    Raises:
        SettingsError: the library is not installed.
        ModelError: it has no such class, or that does not take the backbone.
        WeightsUnavailable: the weights cannot be had or do not fit.
    """
    smp = library("segmentation_models_pytorch")
    known = sorted(c.__name__ for c in smp.MODEL_ARCHITECTURES_MAPPING.values())
    if spec.name not in known:
        raise ModelError(
            "--network", f"segmentation-models-pytorch has no {spec.name!r}",
            f"choose from {', '.join(known)}",
        )  # fmt: skip
    name = encoder_name(settings.backbone)
    from_hub = initialize and settings.pretrained and settings.backbone_weights is None
    if from_hub and name.startswith("tu-"):
        check_pretrained(name.removeprefix("tu-"))
    try:
        net = getattr(smp, spec.name)(
            encoder_name=name, encoder_weights="imagenet" if from_hub else None, classes=1
        )
    except Exception as error:  # hub, disk and library have a family of errors each
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if from_hub:
            raise WeightsUnavailable(
                "--pretrained", f"the weights of {name} cannot be had ({reason:.120})", REMEDY
            ) from error
        raise ModelError(
            "--network", f"{spec} does not take {name} ({reason:.160})", "give another --backbone"
        ) from error
    if initialize and settings.backbone_weights is not None:
        load_weights_file(getattr(net.encoder, "model", net.encoder), settings.backbone_weights)
    mean, std = _smp_input(name)
    return Made(net, mean, std, name)


def _smp_input(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation that an encoder's published weights expect."""
    if name.startswith("tu-"):
        config = timm.get_pretrained_cfg(name.removeprefix("tu-"), allow_unregistered=True)
        return (tuple(config.mean), tuple(config.std)) if config else _IMAGENET
    smp = library("segmentation_models_pytorch")
    weights = smp.encoders.encoders[name]["pretrained_settings"]
    held: Mapping[str, Any] = weights.get("imagenet") or next(iter(weights.values()), {})
    mean, std = held.get("mean") or _IMAGENET[0], held.get("std") or _IMAGENET[1]
    return tuple(mean), tuple(std)


def transformers_network(
    spec: NetworkSpec, settings: ModelSettings, *, initialize: bool, config: str = ""
) -> Made:
    """A network of transformers with one label.

    Args:
        spec: its class, and behind ``@`` a folder, a config.json or a hub id.
        settings: whether trained weights are wanted.
        initialize: False where a checkpoint will be loaded: then no weights are read or fetched.
        config: JSON that a checkpoint holds; wins over what stands behind ``@``.

    Raises:
        SettingsError: the library is not installed.
        ModelError: no such class, or it cannot be made of that config.
        WeightsUnavailable: config or weights cannot be read.
    """
    hub = library("transformers")
    kind = getattr(hub, spec.name, None)
    made_by = getattr(kind, "config_class", None)
    if not isinstance(kind, type) or made_by is None:
        near = difflib.get_close_matches(spec.name, _segmenters(hub), n=3, cutoff=0.3)
        raise ModelError(
            "--network", f"transformers has no network {spec.name!r}",
            f"did you mean {' or '.join(near)}?" if near else "give a class of it",
        )  # fmt: skip
    chosen = made_by.from_dict(json.loads(config)) if config else _config(made_by, spec.source)
    chosen.num_labels = 1
    has_weights = _has_weights(spec.source)
    remarks: tuple[str, ...] = ()
    try:
        if initialize and settings.pretrained and has_weights:
            net = kind.from_pretrained(  # type: ignore[attr-defined]
                spec.source, config=chosen, ignore_mismatched_sizes=True
            )
        else:
            net = kind(chosen)
            if initialize:
                remarks = (
                    "random initial weights: name a folder or hub id that has some behind @",
                )
    except Exception as error:  # disk, hub and library have a family of errors each
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            "--network", f"transformers cannot make {spec.name} ({reason:.160})",
            "name its config, or --no-pretrained for random weights",
        ) from error  # fmt: skip
    mean, std = _processor(spec.source) if initialize else _IMAGENET
    return Made(net, mean, std, config=chosen.to_json_string(use_diff=True), remarks=remarks)


def _segmenters(hub: Any) -> list[str]:
    return [n for n in dir(hub) if n.endswith(("Segmentation", "ForDepthEstimation"))]


def _config(made_by: Any, source: str) -> Any:
    """The config of a folder, a file or a hub id; the class's own defaults where none is named."""
    if not source:
        return made_by()
    try:
        return made_by.from_pretrained(source)
    except Exception as error:  # hub, disk and JSON have a family of errors each
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsUnavailable(
            f"--network ...@{source}", f"no config can be read ({reason:.120})",
            "name a folder with a config.json, that file, or a hub id that is at hand",
        ) from error  # fmt: skip


def _has_weights(source: str) -> bool:
    """Whether weights may lie behind ``@``: a config alone has none."""
    if not source or source.endswith(".json"):
        return False
    folder = Path(source)
    if not folder.is_dir():
        return True  # a hub id
    return any(folder.glob("*.safetensors*")) or any(folder.glob("pytorch_model*.bin*"))


def _processor(source: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of a folder's image processor; ImageNet's where it says nothing."""
    file = Path(source) / "preprocessor_config.json"
    try:
        held = json.loads(file.read_bytes()) if source and file.is_file() else {}
    except (OSError, ValueError):
        held = {}
    mean, std = held.get("image_mean"), held.get("image_std")
    if isinstance(mean, list) and isinstance(std, list) and len(mean) == len(std) == 3:
        return tuple(mean), tuple(std)
    return _IMAGENET
