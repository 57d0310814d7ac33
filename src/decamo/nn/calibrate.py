"""BatchNorm statistics for a backbone that was never trained."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from decamo.errors import ModelError
from decamo.nn.decoder import magnified
from decamo.nn.segmenter import Segmenter

__all__ = ["calibrate_batchnorm", "needs_calibration"]


def needs_calibration(segmenter: Segmenter) -> bool:
    """Whether the backbone has BatchNorm, whose statistics random weights leave meaningless."""
    return bool(_norms(segmenter.backbone))


@torch.no_grad()
def calibrate_batchnorm(segmenter: Segmenter, batches: Iterable[Tensor]) -> None:
    """Estimate the backbone's BatchNorm statistics once, from data.

    They stay frozen in training, so a randomly initialised backbone needs them before. Each
    becomes the plain average over all batches; nothing else changes, no random number is drawn.

    Args:
        segmenter: changed in place.
        batches: uint8 ``[B,3,H,W]``; some dozen images with augmentation off are plenty.

    Raises:
        ModelError: there is no batch.
    """
    norms = _norms(segmenter.backbone)
    if not norms:
        return
    device = segmenter.mean.device
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for a cumulative average
        norm.train()
    count = 0
    try:
        for count, batch in enumerate(batches, start=1):  # noqa: B007
            image = segmenter.normalise(batch.to(device))
            segmenter.backbone(magnified(image, segmenter.zoom))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
    if not count:
        raise ModelError("calibration of BatchNorm", "got no image", "give at least one batch")


def _norms(backbone: nn.Module) -> list[_BatchNorm]:
    return [m for m in backbone.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
