"""From settings to a network with its initial weights."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import cast

import torch

from decamo.errors import ModelError
from decamo.nn.backbone import STRIDES, create_backbone
from decamo.nn.segmenter import Architecture, Segmenter, completed
from decamo.nn.weights import load_weights_file
from decamo.settings import ModelSettings

__all__ = ["WIDTH", "build_segmenter", "from_architecture"]

# Channels of every level behind the backbone. With 64 the whole of a 384 px edgenext_base with 7
# experts costs under 1.2 times the FLOPs of the backbone alone.
WIDTH = 64


def build_segmenter(
    settings: ModelSettings, *, sizes: Iterable[int], initialise: bool = True, seed: int
) -> Segmenter:
    """Build the network that the settings describe.

    Args:
        settings: the user's choice.
        sizes: every image size that the run will use, in px.
        initialise: False where a checkpoint will be loaded: then nothing is downloaded or read.
        seed: fixes the initial weights; no generator outside is touched.

    Raises:
        UnknownBackbone: timm has no such model.
        WeightsUnavailable: pretrained weights cannot be had or do not fit.
        ModelError: an image size or the backbone does not suit.
    """
    for size in sizes:
        _check_size(size)
    with _drawing_from(seed):
        from_hub = initialise and settings.pretrained and settings.backbone_weights is None
        backbone = create_backbone(settings.backbone, pretrained=from_hub)
        if initialise and settings.backbone_weights is not None:
            load_weights_file(backbone.net, settings.backbone_weights)
        segmenter = Segmenter(
            backbone,
            num_experts=settings.num_experts,
            width=WIDTH,
            mean=settings.input_mean or backbone.mean,
            std=settings.input_std or backbone.std,
            zoom=settings.zoom,
        )
    segmenter.gradient_checkpointing = settings.gradient_checkpointing
    return segmenter


def from_architecture(architecture: Architecture) -> Segmenter:
    """Build the network that :attr:`Segmenter.architecture` describes, its weights arbitrary.

    Raises:
        UnknownBackbone: the installed timm has no such model.
        ModelError: the installed timm's model does not suit.
    """
    architecture = completed(architecture)
    with _drawing_from(0):
        return Segmenter(
            create_backbone(str(architecture["backbone"]), pretrained=False),
            num_experts=cast(int, architecture["num_experts"]),
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
def _drawing_from(seed: int) -> Iterator[None]:
    """Draw initial weights from a seed; leave every generator as it was."""
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would also seed the generators of the GPUs.
        torch.default_generator.manual_seed(seed)
        yield
