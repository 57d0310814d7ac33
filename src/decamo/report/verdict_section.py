"""The diagnosis as a part of a page: a word, a sentence, and what it rests on."""

from decamo.diagnosis import Diagnosis, Evidence, Severity, Symptom
from decamo.report.page import escaped, table

__all__ = ["VERDICT_STYLE", "verdict_section"]

_COLOURS: dict[Severity, str] = {
    "good": "good",
    "info": "note",
    "notice": "note",
    "warning": "warning",
    "critical": "broken",
}
_SIGNS: dict[Severity, str] = {
    "good": "\N{CHECK MARK}",
    "info": "i",
    "notice": "\N{BULLET}",
    "warning": "!",
    "critical": "\N{MULTIPLICATION SIGN}",
}
_SHORT = {"lr": "LR", "ema": "EMA"}

VERDICT_STYLE = """
.verdict{border:1px solid var(--line);border-left:.4rem solid currentColor;background:var(--card);
border-radius:.5rem;padding:1rem 1.2rem;break-inside:avoid}
.verdict>*{color:var(--ink)}.verdict .badge{color:inherit}
.verdict h2{margin:0 0 .2rem;font-size:1.35rem}
.verdict .says{font-size:1.1rem;line-height:1.45;margin:.3rem 0 .6rem}
.badge{display:inline-flex;align-items:center;gap:.4rem;font-size:.85rem;font-weight:600}
.badge i{display:inline-grid;place-items:center;width:1.25rem;height:1.25rem;border-radius:50%;
border:2px solid currentColor;font:700 .8rem/1 system-ui,sans-serif}
.good{color:var(--good)}.note{color:var(--note)}.warning{color:var(--warning)}
.broken{color:var(--broken)}
.also details{border-top:1px solid var(--line);padding:.45rem 0}
.also summary b{margin:0 .3rem}
"""


def verdict_section(diagnosis: Diagnosis) -> str:
    """The verdict in full, then the other symptoms, each folded."""
    verdict = diagnosis.verdict
    others = "".join(_other(s) for s in diagnosis.symptoms if s is not verdict)
    also = f'<div class="also"><h3>Also seen</h3>{others}</div>' if others else ""
    return (
        f'<section><div class="verdict {_COLOURS[verdict.severity]}">{_badge(verdict.severity)}'
        f"<h2>{_name(verdict)}</h2>"
        f'<p class="says">{_sentence(verdict)}</p>{_evidence(verdict)}</div>{also}</section>'
    )


def _other(symptom: Symptom) -> str:
    return (
        f"<details><summary>{_badge(symptom.severity)} <b>{_name(symptom)}</b> "
        f"{_sentence(symptom)}</summary>{_evidence(symptom)}</details>"
    )


def _badge(severity: Severity) -> str:
    return (
        f'<span class="badge {_COLOURS[severity]}"><i aria-hidden="true">{_SIGNS[severity]}</i>'
        f"{severity}</span>"
    )


def _name(symptom: Symptom) -> str:
    words = symptom.kind.value.split("_")
    return " ".join([_SHORT.get(words[0], words[0].capitalize()), *words[1:]])


def _sentence(symptom: Symptom) -> str:
    return escaped(symptom.sentence[:1].upper() + symptom.sentence[1:])


def _evidence(symptom: Symptom) -> str:
    rows = [
        [
            f'<span class="long">{escaped(e.what)}</span>',
            _number(e.value),
            _number(e.threshold) if e.threshold is not None else "",
            _epochs(e),
        ]
        for e in symptom.evidence
    ]
    sure = "over 99%" if symptom.strength > 0.99 else f"{symptom.strength:.0%}"
    heads = ("what was measured", "value", "held against", "epochs")
    return table(heads, rows, f"Evidence; sure to {sure}")


def _epochs(evidence: Evidence) -> str:
    first, last = evidence.epochs
    return f"{first} to {last}" if first != last else f"{first}"


def _number(value: float | str) -> str:
    if isinstance(value, str | int):
        return f'<span class="long">{escaped(value)}</span>'
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.2g}"
