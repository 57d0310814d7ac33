"""The mixture: experts that are hardly used, and routers that use few."""

from collections.abc import Iterator

import numpy as np

from decamo.diagnosis.case import RunView
from decamo.diagnosis.symptom import Evidence, Symptom, SymptomKind
from decamo.diagnosis.thresholds import Thresholds

__all__ = ["experts"]

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
