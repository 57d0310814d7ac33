"""What ails the network itself: a lagging average, noisy statistics, experts that were given up."""

import math
from collections.abc import Iterator

import numpy as np

from decamo.diagnosis.case import RunView
from decamo.diagnosis.symptom import Evidence, Symptom, SymptomKind
from decamo.diagnosis.thresholds import Thresholds

__all__ = [
    "age",
    "ema_lag",
    "experts",
    "initial_share",
    "noisy_statistics",
]


def initial_share(updates: int, decay: float) -> float:
    """Share of the weights at its start that is left in an average after some updates.

    The decay of update n (from 0) is ``min(decay, (1 + n) / (10 + n))``, the warm-up of the
    trainer's average; the product of the warm-up has the closed form n! 9! / (n + 9)!.

    Args:
        updates: optimizer steps since the average began, >= 0.
        decay: final decay, in [0, 1).
    """
    warm = min(updates, max(0, math.ceil((10 * decay - 1) / (1 - decay))))
    share = math.exp(math.lgamma(warm + 1) + math.lgamma(10) - math.lgamma(warm + 10))
    return share * decay ** (updates - warm)


def age(updates: int, decay: float) -> float:
    """Mean age of the averaged weights in updates: 1 / (1 - the decay now)."""
    return 1 / (1 - min(decay, (1 + updates) / (10 + updates)))


def ema_lag(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """The scores are those of an average; it may show the weights of epochs ago."""
    steps = [(p.epoch, p.step) for p in case.past.points if p.step is not None]
    decay = case.setting("optimise", "ema_decay")
    if not case.setting("optimise", "use_ema") or not steps:
        return
    if not isinstance(decay, float) or not 0 <= decay < 1:
        return
    first = _began(case)
    begun = max((s for e, s in steps if e < first), default=0)
    epoch, step = steps[-1]
    updates = max(step - begun, 0)
    counted = [s for e, s in steps if e >= first]
    per_epoch = (step - begun) / max(len(counted), 1)
    seen = min(first, epoch), epoch
    left, trail = initial_share(updates, decay), age(updates, decay) / max(per_epoch, 1)
    if left < thresholds.ema_share and trail < thresholds.ema_trail:
        return
    yield Symptom(
        SymptomKind.EMA_LAG,
        "notice",
        seen,
        f"the averaged weights that are validated trail by {trail:.1f} epochs, and {left:.0%} of"
        f" them is still their start of {updates} steps ago",
        (
            Evidence("epochs by which the average trails", trail, thresholds.ema_trail, seen),
            Evidence("share of initial weights left", left, thresholds.ema_share, seen),
            Evidence("decay per optimizer step", decay, None, seen),
        ),
        1.0,
    )


def _began(case: RunView) -> int:
    """First epoch since which every stretch has had the average on; 1 where none is known."""
    first = case.past.stretches[-1].first_epoch if case.past.stretches else 1
    for stretch in reversed(case.past.stretches):
        if not stretch.settings.get("optimise", {}).get("use_ema"):
            break
        first = stretch.first_epoch
    return first


# timm families whose default members normalize by batch; not a complete list. EdgeNeXt, ConvNeXt,
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
        f"{backbone} normalizes by batch, and its batches hold one image (accumulation does not"
        " count)",
        (
            Evidence("images in a forward pass", 1, 2, case.span),
            Evidence("backbone", backbone, None, case.span),
        ),
        0.8,
    )


# Usage is a running mean already; a few epochs of it are steady.
LOOKED_AT = 3


def experts(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """Dead experts and a collapsed router, over the last epochs with a usage written down."""
    points = [p for p in case.present if len(p.usage) > 1 and np.all(np.isfinite(p.usage))]
    points = [p for p in points if len(p.usage) == len(points[-1].usage)][-LOOKED_AT:]
    if not points:
        return
    usage = np.mean([p.usage for p in points], axis=0)
    if usage.min() < 0 or usage.sum() <= 0:
        return
    usage = usage / usage.sum()
    seen = points[0].epoch, points[-1].epoch
    fair = 1 / len(usage)
    dead = [i for i, share in enumerate(usage) if share < thresholds.dead_share * fair]
    if dead:
        names = ", ".join(str(i + 1) for i in dead)
        yield Symptom(
            SymptomKind.DEAD_EXPERTS,
            "notice",
            seen,
            f"{len(dead)} of {len(usage)} experts hardly work (number {names}, counted from 1)",
            (
                Evidence(
                    "smallest share of the gates",
                    float(usage.min()),
                    thresholds.dead_share * fair,
                    seen,
                ),
            ),
            1.0,
        )
    used = usage[usage > 0]
    effective = float(np.exp(-np.sum(used * np.log(used))))
    if effective < thresholds.collapse * len(usage):
        yield Symptom(
            SymptomKind.COLLAPSED_EXPERTS,
            "warning",
            seen,
            f"the router has collapsed: {len(usage)} experts do the work of {effective:.1f}, one"
            f" takes {usage.max():.0%}",
            (
                Evidence(
                    "effective number of experts (exp of the entropy)",
                    effective,
                    thresholds.collapse * len(usage),
                    seen,
                ),
            ),
            1.0,
        )
