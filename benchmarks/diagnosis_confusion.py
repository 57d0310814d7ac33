"""The diagnosis held against made-up runs: which word does each sort get, and how often."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from benchmarks.synthetic_runs import SORTS, make_run
from decamo.diagnosis.symptom import SymptomKind
from decamo.diagnosis.thresholds import Thresholds
from decamo.diagnosis.verdict import Diagnosis, diagnose_log

__all__ = ["BINS", "EXPECTED", "Confusion", "confuse"]

BINS = (-0.005, 0.0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.05)
"""Borders, in latent IoU gained over 17 epochs, between which the words are counted as well."""

EXPECTED: Mapping[str, SymptomKind] = {
    "healthy": SymptomKind.HEALTHY,
    "noisy_healthy": SymptomKind.HEALTHY,
    "spike": SymptomKind.TEMPORARY_DIP,
    "explode": SymptomKind.EXPLOSION,
    "plateau": SymptomKind.PLATEAU,
    "slow": SymptomKind.SLOW,
    "overfit": SymptomKind.OVERFIT,
}


@dataclass(frozen=True)
class Confusion:
    """Verdicts by true sort.

    Attributes:
        curves: runs of each sort.
        seed: of their generator.
        verdicts: sort -> kind -> how many.
        alarmed: sort -> runs with any symptom, verdict or not, of severity warning or above.
        borders: (least, most) latent gain -> kind -> how many of ``curves`` runs of such a gain.
    """

    curves: int
    seed: int
    verdicts: Mapping[str, Mapping[str, int]]
    alarmed: Mapping[str, int]
    borders: Mapping[tuple[float, float], Mapping[str, int]] = field(default_factory=dict)

    def recall(self, sort: str) -> float:
        """Share of the sort's runs with the right verdict."""
        return self.verdicts[sort].get(EXPECTED[sort], 0) / self.curves

    @property
    def false_alarms(self) -> float:
        """Share of the healthy runs, noisy or not, that raised any alarm."""
        healthy = ("healthy", "noisy_healthy")
        return sum(self.alarmed[sort] for sort in healthy) / (len(healthy) * self.curves)

    @property
    def columns(self) -> tuple[str, ...]:
        """Kinds that were given at all, in the order of ``SymptomKind``."""
        given = [*self.verdicts.values(), *self.borders.values()]
        return tuple(k.value for k in SymptomKind if any(v.get(k) for v in given))


def confuse(curves: int, seed: int, thresholds: Thresholds | None = None) -> Confusion:
    """Diagnose ``curves`` runs of each sort and each bin; no target and no baseline is given.

    Run ``i`` of a sort depends on ``(seed, sort, i)`` alone.
    """
    verdicts: dict[str, dict[str, int]] = {}
    alarmed: dict[str, int] = {}
    for number, sort in enumerate(SORTS):
        runs = [make_run(sort, np.random.default_rng([seed, number, i])) for i in range(curves)]
        diagnoses = [diagnose_log(run.past, thresholds, target=None) for run in runs]
        verdicts[sort] = _counts(diagnoses)
        alarmed[sort] = sum(any(s.alarms for s in d.symptoms) for d in diagnoses)
    return Confusion(curves, seed, verdicts, alarmed, _borders(curves, seed, thresholds))


def _borders(
    curves: int, seed: int, thresholds: Thresholds | None
) -> dict[tuple[float, float], dict[str, int]]:
    bins = {}
    for number, (low, high) in enumerate(pairwise(BINS), start=len(SORTS)):
        diagnoses = []
        for i in range(curves):
            rng = np.random.default_rng([seed, number, i])
            run = make_run("any", rng, gain=rng.uniform(low, high))
            diagnoses.append(diagnose_log(run.past, thresholds, target=None))
        bins[low, high] = _counts(diagnoses)
    return bins


def _counts(diagnoses: list[Diagnosis]) -> dict[str, int]:
    return dict(Counter(d.kind.value for d in diagnoses))
