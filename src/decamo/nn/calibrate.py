"""BatchNorm statistics for a backbone that was never trained."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from decamo.errors import ModelError
from decamo.nn.decoder import magnified
from decamo.nn.segmentation_network import SegmentationNetwork
from decamo.nn.segmenter import Segmenter

__all__ = ["calibrate_batchnorm", "is_fresh", "needs_calibration"]


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
        network.backbone(magnified(image, network.zoom))
    else:
        network(image)


def _is_fresh(norm: _BatchNorm) -> bool:
    mean, var = norm.running_mean, norm.running_var
    return mean is not None and var is not None and not mean.any() and bool((var == 1).all())
