"""From settings to a network with its initial weights and BatchNorm statistics."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from decamo.errors import CheckpointMismatch, ModelError
from decamo.nn.backbone import STRIDES, Backbone, create_backbone
from decamo.nn.decoder import magnified_side
from decamo.nn.foveated import FoveatedSegmenter
from decamo.nn.segmentation_network import Architecture, SegmentationNetwork
from decamo.nn.segmenter import Segmenter, completed
from decamo.nn.weights import load_weights_file
from decamo.settings import ModelSettings
from decamo.settings.network_names import NetworkKind

__all__ = [
    "WIDTH",
    "build_segmenter",
    "calibrate_batchnorm",
    "check_sizes",
    "drawing_from",
    "from_architecture",
    "is_fresh",
    "is_own",
    "needs_calibration",
    "refuse_unbuildable",
]


def needs_calibration(network: SegmentationNetwork) -> bool:
    """Whether the backbone has BatchNorm, whose statistics random weights leave meaningless."""
    return bool(network.backbone_norms())


def is_fresh(network: SegmentationNetwork) -> bool:
    """Whether the statistics of the backbone's BatchNorm are those before any training."""
    return all(map(_is_fresh, network.backbone_norms()))


@torch.no_grad()
def calibrate_batchnorm(network: SegmentationNetwork, batches: Iterable[Tensor]) -> None:
    """Estimate the backbone's BatchNorm statistics once, from data.

    They stay as they are while it is frozen, so a randomly initialized backbone needs them before.
    Each becomes the plain average over all batches; nothing else changes, and no random number is
    drawn.

    Args:
        network: changed in place.
        batches: uint8 ``[B,3,H,W]``; some dozen images with augmentation off are plenty.

    Raises:
        ModelError: there is no batch.
    """
    norms = network.backbone_norms()
    if not norms:
        return
    device = next(network.parameters()).device
    momenta = [norm.momentum for norm in norms]
    mode = network.training
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for a cumulative average
        norm.train()
    count = 0
    try:
        for count, batch in enumerate(batches, start=1):  # noqa: B007
            _through_backbone(network, network.normalize(batch.to(device)))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
        network.train(mode)
    if not count:
        raise ModelError("calibration of BatchNorm", "got no image", "give at least one batch")


def _through_backbone(network: SegmentationNetwork, image: Tensor) -> None:
    if isinstance(network, Segmenter):  # spares the rest
        network.backbone(network.enlarged(image))
    else:
        network(image)


def _is_fresh(norm: _BatchNorm) -> bool:
    mean, var = norm.running_mean, norm.running_var
    return mean is not None and var is not None and not mean.any() and bool((var == 1).all())


# Channels of every level behind the backbone. With 64 the whole of a 384 px edgenext_base with 7
# experts costs under 1.2 times the FLOPs of the backbone alone.
WIDTH = 64

_OWN = {
    "backbone",
    "num_experts",
    "experts",
    "width",
    "input_mean",
    "input_std",
    "zoom",
    "fovea",
    "img_size",
}


def build_segmenter(
    settings: ModelSettings, *, sizes: Iterable[int], initialize: bool = True, seed: int
) -> Segmenter:
    """Build the network that the settings describe.

    Args:
        settings: the user's choice.
        sizes: every image size that the run will use, in px.
        initialize: False where a checkpoint will be loaded: then nothing is downloaded or read.
        seed: fixes the initial weights; no generator outside is touched.

    Raises:
        UnknownBackbone: timm has no such model.
        WeightsUnavailable: pretrained weights cannot be had or do not fit.
        ModelError: an image size or the backbone does not suit.
    """
    wanted = tuple(dict.fromkeys(sizes))
    for size in wanted:
        _check_size(size)
    with drawing_from(seed):
        from_hub = initialize and settings.pretrained and settings.backbone_weights is None
        largest = magnified_side(max(wanted), settings.zoom * settings.fovea)
        backbone = create_backbone(settings.backbone, pretrained=from_hub, size=largest)
        if initialize and settings.backbone_weights is not None:
            options = backbone.variant.options
            load_weights_file(backbone.net, settings.backbone_weights, settings.backbone, options)
        segmenter = _segmenter(
            backbone,
            settings.fovea,
            num_experts=len(settings.experts) or settings.num_experts,
            kinds=settings.experts,
            width=WIDTH,
            mean=settings.input_mean or backbone.mean,
            std=settings.input_std or backbone.std,
            zoom=settings.zoom,
        )
    check_sizes(segmenter, wanted)
    segmenter.gradient_checkpointing = settings.gradient_checkpointing
    return segmenter


def _segmenter(backbone: Backbone, fovea: float, **how: Any) -> Segmenter:
    """The network that looks once, or the one that looks twice."""
    if fovea == 1:
        return Segmenter(backbone, **how)
    return FoveatedSegmenter(backbone, fovea=fovea, **how)


def check_sizes(
    network: SegmentationNetwork, sizes: Iterable[int], scales: Iterable[float] = (1.0,)
) -> None:
    """Look whether a network takes square images of these sizes, each at each scale.

    Args:
        network: on the CPU, so that what fails there does not fail on a GPU for good.
        sizes: in px.
        scales: at which it is shown them, as in :meth:`Segmenter.forward`.

    Raises:
        ModelError: the network does not take a size; ours takes multiples of 32 px.
    """
    every = tuple(scales)
    for size in sizes:
        if is_own(network.architecture):
            _check_size(size)
        for scale in every:
            network.check_size(size, scale)


def is_own(architecture: Mapping[str, Any]) -> bool:
    """Whether a checkpoint's description is that of a :class:`Segmenter`."""
    return architecture.keys() <= _OWN


def refuse_unbuildable(architecture: Mapping[str, Any], what: object) -> None:
    """Refuse a checkpoint of a network that ``--network`` cannot name.

    The benchmarks train others by the same trainer; their checkpoints are sound, but only the
    benchmark that wrote one knows how to build its network.

    Args:
        architecture: as the checkpoint has it.
        what: its file or flag, for the error.

    Raises:
        CheckpointMismatch: names the network.
    """
    if is_own(architecture) or architecture.get("kind") in {k.value for k in NetworkKind}:
        return
    unknown = ", ".join(sorted(architecture.keys() - _OWN))
    name = architecture.get("network", f"described by {unknown}")
    raise CheckpointMismatch(
        what,
        f"it holds the network {name!s:.80}, not one of decamo train",
        "use it with what wrote it, such as python -m benchmarks quality, or give another",
    )


def from_architecture(architecture: Architecture, what: object = "checkpoint") -> Segmenter:
    """Build the network that :attr:`Segmenter.architecture` describes, its weights arbitrary.

    Args:
        architecture: of one of our own networks.
        what: the file that it came from, for the error.

    Raises:
        CheckpointMismatch: it describes another network.
        UnknownBackbone: the installed timm has no such model.
        ModelError: the installed timm's model does not suit.
    """
    if not is_own(architecture):
        refuse_unbuildable(architecture, what)
        raise CheckpointMismatch(what, "it holds a foreign network", "use network_of")
    architecture = completed(architecture)
    with drawing_from(0):
        return _segmenter(
            create_backbone(
                str(architecture["backbone"]),
                pretrained=False,
                built_for=cast(int | None, architecture.get("img_size")),
            ),
            cast(float, architecture["fovea"]),
            num_experts=cast(int, architecture["num_experts"]),
            kinds=cast(list[str], architecture.get("experts", [])),
            width=cast(int, architecture["width"]),
            mean=tuple(cast(list[float], architecture["input_mean"])),
            std=tuple(cast(list[float], architecture["input_std"])),
            zoom=cast(float, architecture["zoom"]),
        )


def _check_size(size: int) -> None:
    step = STRIDES[-1]
    if size % step or size < step:
        below = max(step, size // step * step)
        raise ModelError(
            "--img-size",
            f"got {size}, not a multiple of {step} px",
            f"give {below} or {below + step}",
        )


@contextmanager
def drawing_from(seed: int) -> Iterator[None]:
    """Draw initial weights from a seed; leave every generator as it was."""
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would also seed the generators of the GPUs.
        torch.default_generator.manual_seed(seed)
        yield
