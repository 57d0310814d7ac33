"""From settings or a checkpoint's description to a network, ours or a foreign one."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from decamo.errors import CheckpointMismatch, SettingsError
from decamo.nn.build import (
    build_segmenter,
    check_sizes,
    drawing_from,
    from_architecture,
    is_own,
    refuse_unbuildable,
)
from decamo.nn.foreign import ForeignNetwork
from decamo.nn.library_networks import Made, smp_network, transformers_network
from decamo.nn.network_sources import (
    LIBRARIES,
    built_by,
    find_library,
    function_of_file,
    source_digest,
)
from decamo.nn.segmentation_network import Architecture, SegmentationNetwork
from decamo.settings import ModelSettings
from decamo.settings.network_names import (
    OWN_NETWORK,
    NetworkKind,
    NetworkSpec,
    network_spec,
    registered_network,
)

__all__ = ["build_network", "check_network", "differences_in", "network_of"]

_VERSIONED = (
    "transformers_version",
    "_name_or_path",
)  # of a config, and say nothing of the network
_PROBE_SIZE = 64  # px, where nobody says which size a network takes
_TRIPLE = 3


def build_network(
    settings: ModelSettings,
    *,
    sizes: Iterable[int],
    initialize: bool = True,
    seed: int,
    described: Architecture | None = None,
) -> SegmentationNetwork:
    """Build the network that the settings describe.

    Args:
        settings: the user's choice.
        sizes: every image size that the run will use, in px; a foreign network is looked at with an
            image of the first.
        initialize: False where a checkpoint will be loaded: then no weights are downloaded or read.
        seed: fixes the initial weights; no generator outside is touched.
        described: what the checkpoint says of its network, where there is one.

    Returns:
        our :class:`Segmenter`; of a foreign network a :class:`ForeignNetwork`, whose ``net`` is the
        module itself. One that a function gives with the whole protocol is taken as it is.

    Raises:
        SettingsError: there is no such network, file or function, or a library is not installed.
        UnknownBackbone: there is no such backbone.
        WeightsUnavailable: pretrained weights cannot be had or do not fit.
        ModelError: an image size or the network does not suit.
    """
    spec = network_spec(settings.network)
    if spec.kind is NetworkKind.OWN:
        return build_segmenter(settings, sizes=sizes, initialize=initialize, seed=seed)
    wanted = tuple(dict.fromkeys(sizes)) or (_PROBE_SIZE,)
    with drawing_from(seed):
        network = _foreign(spec, settings, wanted[0], initialize=initialize, described=described)
    check_sizes(network, wanted)
    network.gradient_checkpointing = settings.gradient_checkpointing
    return network


def network_of(
    architecture: Architecture, what: object = "checkpoint", *, network: str = "", size: int = 0
) -> SegmentationNetwork:
    """Build the network that a checkpoint describes, its weights arbitrary.

    Args:
        architecture: as the checkpoint has it.
        what: its file, for the error.
        network: ``FILE.py:FUNCTION``, where its network comes from a file: a checkpoint brings no
            code, so that the user names it. Of other networks it is not needed, and passed over.
        size: of the images that it was trained on, in px.

    Raises:
        CheckpointMismatch: it describes a network that cannot be built from this.
        SettingsError: no such file or function, or a library is not installed.
        ModelError: the installed library's network does not suit.
    """
    refuse_unbuildable(architecture, what)
    if is_own(architecture):
        return from_architecture(architecture, what)
    kind = NetworkKind(architecture["kind"])
    if kind is NetworkKind.FILE:
        if not network or network_spec(network).kind is not NetworkKind.FILE:
            raise CheckpointMismatch(
                what,
                f"its network {architecture['network']} is from a file, and a checkpoint brings no"
                " code",
                "name it again, by --network FILE.py:FUNCTION or network=",
            )
    else:
        network = str(architecture["network"])
    settings = ModelSettings(
        backbone=str(architecture.get("backbone") or "none"),
        network=network,
        pretrained=False,
        output=str(architecture.get("output", "")),
        backbone_prefix=str(architecture.get("backbone_prefix", "")),
        input_mean=_held_triple(architecture, "input_mean"),
        input_std=_held_triple(architecture, "input_std"),
    )
    sizes = [size or _PROBE_SIZE]
    return build_network(settings, sizes=sizes, initialize=False, seed=0, described=architecture)


def check_network(settings: ModelSettings) -> None:
    """Look whether a network can be found, before anything slow; none is built.

    Raises:
        SettingsError: there is no such network, file or function, or a library is not installed.
        ModelError: the library has no such class.
    """
    spec = network_spec(settings.network)
    if spec.kind is NetworkKind.FILE:
        function_of_file(spec)
    elif spec.kind is NetworkKind.REGISTERED:
        registered_network(spec.name)
    elif spec.kind in LIBRARIES:
        find_library(LIBRARIES[spec.kind])


def differences_in(held: Mapping[str, Any], built: Mapping[str, Any]) -> list[str]:
    """Entries in which a checkpoint's foreign network is another one than that which was built.

    The name of a file may have changed; whether its network has is seen by its parameters.
    """
    passed = {"source"}
    if held.get("kind") == built.get("kind") == NetworkKind.FILE.value:
        passed.add("network")
    held = {"network": OWN_NETWORK, **held}
    return [k for k, v in built.items() if k not in passed and held.get(k) != v]


def _foreign(
    spec: NetworkSpec,
    settings: ModelSettings,
    size: int,
    *,
    initialize: bool,
    described: Architecture | None,
) -> SegmentationNetwork:
    held = described or {}
    made = _made(spec, settings, initialize=initialize, config=str(held.get("config", "")))
    architecture: Architecture = {"network": str(spec), "kind": spec.kind.value}
    changed = ""
    if made.backbone:
        architecture["backbone"] = made.backbone
    if made.config:
        architecture["config"] = _plain_config(made.config)
    if spec.kind is NetworkKind.FILE:
        architecture["source"] = source_digest(spec)
        changed = _changed(spec, held, str(architecture["source"]))
    if isinstance(made.net, SegmentationNetwork):
        made.net.architecture = made.net.architecture | architecture
        return made.net
    return ForeignNetwork(
        made.net,
        architecture,
        size=size,
        output=settings.output,
        backbone_prefix=settings.backbone_prefix,
        mean=settings.input_mean or made.mean,
        std=settings.input_std or made.std,
        remarks=made.remarks,
        changed=changed,
    )


def _made(spec: NetworkSpec, settings: ModelSettings, *, initialize: bool, config: str) -> Made:
    flag = f"--network {settings.network}"
    if spec.kind is NetworkKind.SMP:
        return smp_network(spec, settings, initialize=initialize)
    if initialize and settings.backbone_weights is not None:
        raise SettingsError(
            "--backbone-weights",
            f"got {settings.backbone_weights}, which nobody can place in {flag}",
            "let its function load them, or leave the flag out",
        )
    match spec.kind:
        case NetworkKind.TRANSFORMERS:
            return transformers_network(spec, settings, initialize=initialize, config=config)
        case NetworkKind.FILE:
            function = function_of_file(spec)
        case _:
            function = registered_network(spec.name)
    net = built_by(function, flag, pretrained=initialize and settings.pretrained)
    return Made(net, *_input_of(net))


def _input_of(net: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation that a network says it expects; ImageNet's where it says nothing.

    It may have ``input_mean`` and ``input_std``; timm's models have a ``pretrained_cfg``.
    """
    for module in net.modules():
        config = getattr(module, "pretrained_cfg", None)
        pairs = [(getattr(module, "input_mean", None), getattr(module, "input_std", None))]
        if isinstance(config, Mapping):
            pairs.append((config.get("mean"), config.get("std")))
        for mean, std in pairs:
            if _is_triple(mean) and _is_triple(std):
                return _triple(mean), _triple(std)
    usual = Made(net)
    return usual.mean, usual.std


def _is_triple(values: Any) -> bool:
    return isinstance(values, list | tuple) and len(values) == _TRIPLE


def _triple(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _held_triple(held: Architecture, name: str) -> tuple[float, float, float] | None:
    return _triple(held[name]) if name in held else None


def _plain_config(text: str) -> str:
    held = {k: v for k, v in json.loads(text).items() if k not in _VERSIONED}
    return json.dumps(held, sort_keys=True)


def _changed(spec: NetworkSpec, held: Architecture, now: str) -> str:
    """That the source is another one than a checkpoint was written with; empty where it is not."""
    before = str(held.get("source", now))
    if before == now:
        return ""
    digests = f"sha256 {before[:12]}, now {now[:12]}"
    return f"{spec} has changed since the checkpoint was written ({digests})"
