"""Batch statistics out of too small a batch."""

from collections.abc import Iterator

from decamo.diagnosis.case import RunView
from decamo.diagnosis.symptom import Evidence, Symptom, SymptomKind
from decamo.diagnosis.thresholds import Thresholds

__all__ = ["noisy_statistics"]

# timm families whose default members normalise by batch; not a complete list. EdgeNeXt, ConvNeXt,
# PVT v2 and Swin do not.
WITH_BATCHNORM = (
    "resnet", "resnext", "res2net", "resnest", "wide_resnet", "seresnet", "efficientnet",
    "tf_efficientnet", "mobilenet", "mnasnet", "regnet", "densenet", "hrnet", "dla", "repvgg",
    "ghostnet", "fbnet", "mixnet", "rexnet", "cspresnet", "cspdarknet", "mobileone", "fastvit",
    "legacy_", "spnasnet", "hardcorenas", "efficientvit_b", "repvit", "mobilevit",
    "edgenext_small_rw",
)  # fmt: skip


def noisy_statistics(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """A micro-batch of one image under a backbone with BatchNorm; accumulation does not help it."""
    backbone = case.setting("model", "backbone")
    frozen = bool(case.present) and case.present[-1].stage == 1
    batch = case.setting("schedule", "stage2_batch_size") or case.setting("schedule", "batch_size")
    if not isinstance(backbone, str) or batch != 1 or frozen:
        return
    if not backbone.startswith(WITH_BATCHNORM):
        return
    yield Symptom(
        SymptomKind.NOISY_STATISTICS,
        "notice",
        case.span,
        f"{backbone} normalises by batch, and its batches hold one image (accumulation does not"
        " count)",
        (
            Evidence("images in a forward pass", 1, 2, case.span),
            Evidence("backbone", backbone, None, case.span),
        ),
        0.8,
    )
