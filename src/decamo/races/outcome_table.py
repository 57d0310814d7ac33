"""The outcome of a race as a table, sentences, and plain values for a report."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from decamo.races.branch import CONTROL, TWIN, Branch
from decamo.races.explanation import Explanation
from decamo.races.judge import Gap, Verdict
from decamo.races.start_point import StartPoint
from decamo.races.successive_halving import HalvingRound
from decamo.races.trial_files import Result, plain_of
from decamo.report import epoch_rows
from decamo.settings import shown
from decamo.settings.words import duration

__all__ = ["RaceOutcome", "answer", "outcome_text", "plain_outcome"]

_WIDTH = 46  # of the question, in characters; JSON has all of it


@dataclass(frozen=True)
class RaceOutcome:
    """All there is to tell at the end.

    Attributes:
        branches: in their order.
        results: of each.
        last_round: of successive halving.
        verdict: on those that came to the end.
        winner: the gap of the best, or None.
        meanings: what it means, with the causes that it supports.
        refuted: the causes that it rules out.
        start: where the race set out from.
    """

    branches: Sequence[Branch]
    results: Mapping[str, Result]
    last_round: HalvingRound
    verdict: Verdict
    winner: Gap | None
    meanings: Sequence[Explanation]
    start: StartPoint
    refuted: Sequence[Explanation] = ()


def outcome_text(outcome: RaceOutcome) -> str:
    """The table, best first, the answer, and what it means."""
    header, rows, notes = _table(outcome)
    lines = [
        epoch_rows(header, [[*cells, f" {_short(asks)}"] for *cells, asks in rows]),
        "",
        *notes,
        "",
        answer(outcome),
    ]
    for meaning in outcome.meanings:
        lines += [f"- {meaning.line}", *(f"    {evidence}" for evidence in meaning.evidence)]
    for meaning in outcome.refuted:
        lines += [f"- not {meaning.line}", *(f"    {evidence}" for evidence in meaning.evidence)]
    return "\n".join(lines)


def _table(outcome: RaceOutcome) -> tuple[list[str], list[list[str]], list[str]]:
    """Heads, rows with one cell more (what the branch asks), and what the numbers are."""
    verdict, last = outcome.verdict, outcome.last_round
    heads = ["branch", "IoU", "difference", "95 % interval", "LR", "steps", "time"]
    order = sorted(outcome.branches, key=lambda b: -_final(outcome.results[b.name]))
    rows = [[*_cells(outcome, b), b.asks] for b in order]
    epochs = f"{last.rung} epoch{'s' * (last.rung > 1)}"
    notes = [
        f"difference from the control after {epochs}, on {verdict.images} validation images; the"
        " intervals hold together",
        f"chance alone moves {verdict.seed_noise:.4f} (the control's twin); the intervals hold it"
        " too"
        if outcome.results.get(TWIN) and verdict.seed_noise
        else "what chance alone moves was not measured",
    ]
    return heads, rows, notes


def answer(outcome: RaceOutcome) -> str:
    """The one sentence that a person waits for."""
    best = outcome.winner
    if best is None:
        return "no branch is better than the control"
    return (
        f"winner: {best.branch}, better than the control by {best.difference:.4f} IoU, 95 %"
        f" interval {best.low:.4f} to {best.high:.4f}"
    )


def plain_outcome(outcome: RaceOutcome) -> dict[str, Any]:
    """Plain values of all of it, without the scores of single images."""
    heads, rows, notes = _table(outcome)
    return {
        "position": asdict(outcome.start.position),
        "rate": outcome.start.rate,
        "epochs": outcome.last_round.rung,
        "images": outcome.verdict.images,
        "luck": outcome.verdict.seed_noise,
        "answer": answer(outcome),
        "winner": None if outcome.winner is None else outcome.winner.branch,
        "gaps": [asdict(gap) for gap in outcome.verdict.gaps],
        "pairs": [asdict(gap) for gap in outcome.verdict.pairs.values()],
        "dropped": dict(outcome.last_round.dropped),
        "meanings": [_plain_meaning(meaning) for meaning in outcome.meanings],
        "refuted": [_plain_meaning(meaning) for meaning in outcome.refuted],
        "table": {"heads": [*heads, "asks"], "rows": rows, "notes": notes},
        "branches": [b.to_plain() | plain_of(outcome.results[b.name]) for b in outcome.branches],
    }


def _plain_meaning(meaning: Explanation) -> dict[str, Any]:
    return {
        "cause": meaning.heading,
        "causes": [cause.value for cause in meaning.causes],
        "says": meaning.says,
        "evidence": list(meaning.evidence),
    }


def _final(result: Result) -> float:
    return result.last.iou if result.last is not None and not result.lost else -1.0


def _cells(outcome: RaceOutcome, branch: Branch) -> list[str]:
    result, ended = outcome.results[branch.name], outcome.last_round
    last, gap = result.last, outcome.verdict.of(branch.name)
    if last is None:
        return [branch.name, "", "", result.lost.kind.value if result.lost else "", "", "", ""]
    if gap is not None:
        difference, ends = f"{gap.difference:+.4f}", f"{gap.low:+.4f} to {gap.high:+.4f}"
    elif branch.name in ended.dropped:
        at = ended.dropped[branch.name]
        control = outcome.results[CONTROL].rungs[at].iou
        difference = f"{result.rungs[at].iou - control:+.4f}"
        ends = f"behind after {at}"
    else:
        difference, ends = "", result.lost.kind.value if result.lost else ""
    rates = [rung.rate for rung in result.rungs.values()]
    return [
        branch.name,
        f"{last.iou:.4f}",
        difference,
        ends,
        f"{_rate(rates[0])} -> {_rate(rates[-1])}",
        str(last.steps),
        duration(result.seconds),
    ]


def _rate(rate: float) -> str:
    return shown(float(f"{rate:.2g}"))


def _short(asks: str) -> str:
    return asks if len(asks) <= _WIDTH else asks[: _WIDTH - 1] + "…"
