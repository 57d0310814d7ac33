"""What ails the network itself: numbers that are none, its loss, average, statistics, experts."""

import math
from collections.abc import Iterator

import numpy as np

from decamo.diagnosis.case import RunView
from decamo.diagnosis.noise import Array, running_median
from decamo.diagnosis.symptom import Evidence, Symptom, SymptomKind
from decamo.diagnosis.thresholds import Thresholds
from decamo.history import Point

__all__ = [
    "age",
    "ema_lag",
    "experts",
    "explosion",
    "initial_share",
    "noisy_statistics",
    "non_finite",
]

# The level before an explosion is a median of so many epochs.
SETTLED = 5


def non_finite(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """NaN and infinity: critical where the run ends in them, else a notice; skipped steps too."""
    broken = [p for p in case.present if _broken(p)]
    if broken:
        at_end = _broken(case.present[-1])
        epochs = broken[0].epoch, broken[-1].epoch
        names = sorted({name for p in broken for name in _broken(p)})
        what = " and ".join({"iou": "IoU", "loss": "loss"}.get(n, n) for n in names)
        ending = "the run ends in it" if at_end else "it has recovered since"
        yield Symptom(
            SymptomKind.NON_FINITE,
            "critical" if at_end else "notice",
            epochs,
            f"{what} not a number in {_epochs(broken)}; {ending}",
            (Evidence(f"epochs with {what} not finite", len(broken), 0, epochs),),
            1.0,
        )
    skipped = [p for p in case.present if p.known("skipped")]
    if skipped:
        epochs = skipped[0].epoch, skipped[-1].epoch
        steps = sum(p.skipped or 0 for p in skipped)
        yield Symptom(
            SymptomKind.NON_FINITE,
            "notice",
            epochs,
            f"{steps} optimizer steps were skipped in {_epochs(skipped)}, their gradients not"
            " being finite",
            (Evidence("skipped optimizer steps", steps, 0, epochs),),
            0.5,
        )


def explosion(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """A fall of the IoU that has not come back, together with a jump of the loss."""
    epochs, scores = case.whole("iou")
    onset = _onset(scores, thresholds.drop)
    if onset is None:
        return
    level = float(running_median(scores, SETTLED)[:onset].max())
    worst = float(scores[onset:].min())
    ratio = _loss_ratio(*case.whole("loss"), epochs[onset])
    known = ratio is not None
    if ratio is not None and ratio < thresholds.loss_factor:
        return
    if not known and level - worst < thresholds.lone_drop:
        return
    last_good, seen = int(epochs[onset - 1]), (int(epochs[onset]), int(epochs[-1]))
    m, span = case.measure, (last_good, seen[1])
    evidence = [Evidence(m.lost, m.amount(level - worst), m.amount(thresholds.drop), span)]
    jump = ""
    if ratio is not None:
        jump = f"the loss is {ratio:.1f} times what it was and "
        what = "loss against the median before"
        evidence.append(Evidence(what, ratio, thresholds.loss_factor, (last_good, seen[1])))
    yield Symptom(
        SymptomKind.EXPLOSION,
        "critical",
        seen,
        f"exploded at epoch {seen[0]}: {jump}the {m.name} {m.fell} from"
        f" {m.shown(float(scores[onset - 1]))} to {m.shown(worst)} and has not come back",
        tuple(evidence),
        min(1.0, (level - worst) / (2 * thresholds.drop)) if known else 0.7,
    )


def _onset(scores: Array, drop: float) -> int | None:
    """Index from which all scores lie ``drop`` under the best level before it."""
    levels = np.maximum.accumulate(running_median(scores, SETTLED)) if len(scores) else scores
    highest_since = np.maximum.accumulate(scores[::-1])[::-1]
    fallen = np.flatnonzero(highest_since[1:] < levels[:-1] - drop)
    return int(fallen[0]) + 1 if len(fallen) else None


def _loss_ratio(epochs: Array, losses: Array, onset: float) -> float | None:
    """Loss since the onset (median, or last if higher) against the median before, if known."""
    since, earlier = losses[epochs >= onset], losses[epochs < onset][-SETTLED:]
    settled = float(np.median(earlier)) if len(earlier) else 0.0
    if not len(since) or settled <= 0:
        return None
    return max(float(np.median(since)), float(since[-1])) / settled


def _broken(point: Point) -> tuple[str, ...]:
    values = {"loss": point.loss, "iou": point.iou}
    return tuple(n for n, v in values.items() if v is not None and not math.isfinite(v))


def _epochs(points: list[Point]) -> str:
    first, last = points[0].epoch, points[-1].epoch
    return f"epoch {first}" if first == last else f"{len(points)} epochs from {first} to {last}"


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
