"""From trained seeds to claims: plain values, as `claims.json` holds them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, geometric_mean
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.claims_promises import BEFORE_TRIAL, Promise
from benchmarks.claims_study import Trained
from benchmarks.claims_words import word_of
from benchmarks.paired import paired
from decamo.races.branch import Branch
from decamo.races.trial_files import Result, Rung, matrix

__all__ = ["Account", "arms_of", "claims_from"]

_LEAST_SEEDS = 2
_DIGITS = 6  # of an IoU; more would be noise in a file under version control


@dataclass(frozen=True)
class Account:
    """What claims are made of.

    Attributes:
        trained: the seeds.
        epochs: of a branch.
        setting: on what it was measured, for people; the number of seeds comes before it.
        memory: branch -> bytes, as :func:`benchmarks.claims_memory.training_bytes` counts them.
    """

    trained: Sequence[Trained]
    epochs: int
    setting: str
    memory: Mapping[str, int]


def claims_from(account: Account, promises: Sequence[Promise]) -> list[dict[str, Any]]:
    """A claim for each promise; without an interval where runs were lost or are still to come."""
    return [_claim(account, promise) for promise in promises]


def arms_of(account: Account, branches: Sequence[Branch]) -> list[dict[str, Any]]:
    """What came of each branch: IoU by seed, seconds of an epoch, memory."""
    return [_arm(account, branch) for branch in branches]


def _claim(account: Account, promise: Promise) -> dict[str, Any]:
    claim: dict[str, Any] = {
        "name": promise.name,
        "title": promise.title,
        "arm": promise.arm,
        "against": promise.against,
        "expected": list(promise.expected) if promise.expected else None,
        "worst": promise.worst,
    }
    both = (promise.arm, promise.against or promise.arm)
    lost = [
        f"seed {t.seed}, {name}: {t.results[name].lost}"
        for t in account.trained
        for name in dict.fromkeys(both)
        if t.results[name].lost
    ]
    if lost:
        return claim | {"lost": "; ".join(lost)}
    trained = [t for t in account.trained if all(_ended(t, n, account.epochs) for n in both)]
    if len(trained) < _LEAST_SEEDS:
        return claim | {"lost": f"{len(trained)} seeds are trained so far"}
    account = replace(account, trained=trained)
    found = paired(_differences(account, promise))
    numbers = {
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "error": found.error,
    }
    word = word_of(found.difference, found.low, found.high, promise.expected)
    return (
        claim
        | {key: round(value, _DIGITS) for key, value in numbers.items()}
        | {
            "setting": f"{len(trained)} seeds, {account.setting}",
            "by_seed": [round(d, _DIGITS) for d in found.by_seed],
            "degrees": round(min(found.degrees, 1e6), 2),
            "word": word,
            "seconds_ratio": _seconds_ratio(account, promise),
            "memory_ratio": _memory_ratio(account, promise),
        }
    )


def _ended(trained: Trained, branch: str, epochs: int) -> bool:
    return epochs in trained.results[branch].rungs


def _differences(account: Account, promise: Promise) -> npt.NDArray[np.float64]:
    """Float64 ``[seeds, images]``."""
    rows = []
    for trained in account.trained:
        arm = _rung(trained.results[promise.arm], account.epochs, promise.worst)
        if promise.against == BEFORE_TRIAL:
            other = trained.results[promise.arm].rungs[0]
        else:
            other = _rung(trained.results[promise.against], account.epochs, promise.worst)
        scores = matrix({"arm": arm, "other": other})
        rows.append(scores["arm"] - scores["other"])
    return np.stack(rows)


def _rung(result: Result, epochs: int, worst: bool) -> Rung:
    if not worst:
        return result.rungs[epochs]
    return min((result.rungs[n] for n in range(1, epochs + 1)), key=lambda rung: rung.iou)


def _seconds(result: Result) -> float:
    """Of training in an epoch."""
    return fmean(rung.train_seconds for n, rung in result.rungs.items() if n > 0)


def _seconds_ratio(account: Account, promise: Promise) -> float | None:
    if promise.against == BEFORE_TRIAL:
        return None
    pairs = [
        (_seconds(t.results[promise.arm]), _seconds(t.results[promise.against]))
        for t in account.trained
    ]
    if any(min(pair) <= 0 for pair in pairs):  # no clock worth the name
        return None
    return round(geometric_mean([a / b for a, b in pairs]), 3)


def _memory_ratio(account: Account, promise: Promise) -> float | None:
    if promise.against == BEFORE_TRIAL:
        return None
    return round(account.memory[promise.arm] / account.memory[promise.against], 3)


def _arm(account: Account, branch: Branch) -> dict[str, Any]:
    found = {t.seed: t.results[branch.name] for t in account.trained}
    lost = [f"seed {seed}: {result.lost}" for seed, result in found.items() if result.lost]
    results = [r for r in found.values() if account.epochs in r.rungs]
    ended = [r.rungs[account.epochs] for r in results]
    return {
        "name": branch.name,
        "asks": branch.asks,
        "before": branch.before,
        "changes": {section: dict(values) for section, values in branch.changes.items()},
        "iou": [round(rung.iou, _DIGITS) for rung in ended],
        "steps": ended[0].steps if ended else None,
        "seconds": round(fmean(_seconds(r) for r in results), 2) if ended else None,
        "memory_bytes": account.memory[branch.name],
        "lost": "; ".join(lost),
    }
