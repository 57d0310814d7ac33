"""Diagnosis and advice as parts of a page: a verdict with its grounds, what to do now, and why."""

from collections.abc import Sequence

from decamo.diagnosis import Advice, Counsel, Diagnosis, Evidence, Remedy, Severity, Symptom
from decamo.report.diagnosis_text import cost_of, gain_of
from decamo.report.page import escaped, table

__all__ = [
    "ADVICE_STYLE",
    "VERDICT_STYLE",
    "advice_section",
    "verdict_section",
]

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
        f'<p class="says">{_statement(verdict)}</p>{_evidence(verdict)}</div>{also}</section>'
    )


def _other(symptom: Symptom) -> str:
    return (
        f"<details><summary>{_badge(symptom.severity)} <b>{_name(symptom)}</b> "
        f"{_statement(symptom)}</summary>{_evidence(symptom)}</details>"
    )


def _badge(severity: Severity) -> str:
    return (
        f'<span class="badge {_COLOURS[severity]}"><i aria-hidden="true">{_SIGNS[severity]}</i>'
        f"{severity}</span>"
    )


def _name(symptom: Symptom) -> str:
    words = symptom.kind.value.split("_")
    return " ".join([_SHORT.get(words[0], words[0].capitalize()), *words[1:]])


def _statement(symptom: Symptom) -> str:
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


ADVICE_STYLE = """
pre{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.8rem 1rem;
white-space:pre-wrap;overflow-wrap:anywhere;user-select:all;-webkit-user-select:all;
font:.875rem/1.5 ui-monospace,monospace;margin:.5rem 0}
.causes{list-style:none;padding:0}.causes>li{padding:.45rem 0;border-top:1px solid var(--line)}
.causes .share{display:inline-block;min-width:3.2rem;font-weight:600;
font-variant-numeric:tabular-nums}
.causes .meter{height:.3rem;border-radius:.2rem;background:var(--card);margin:.3rem 0 .1rem;
max-width:26rem}
.causes>li>.share{margin-left:1.05rem}
.causes .meter i{display:block;height:100%;border-radius:inherit;background:var(--bar)}
"""

_LEAST = 0.05  # causes under this probability are counted, not named
_MOST_GROUNDS = 3
_WEAK = 1.05  # a ground that makes its cause hardly likelier is none


def advice_section(advice: Advice) -> str:
    """The next command to copy, its flags explained; causes by probability; what to watch."""
    first = advice.first
    parts = [
        f"<section><h2>What to do now: {escaped(first.title)}</h2>",
        _items(first.steps),
        _command(first),
        _flags(first),
        f'<p class="soft">{escaped(_price(first))}</p>',
        f"<h3>Likely causes</h3>{_causes(advice)}<p>{_sentence(advice.rate)}</p>",
        _ladder(advice.ladder),
        f"<h3>When to look again</h3>{_items(advice.checks)}" if advice.checks else "",
        "</section>",
    ]
    return "".join(parts)


def _command(remedy: Remedy) -> str:
    if not remedy.command:
        return ""
    fill = f"<p>Fill in {escaped(' and '.join(remedy.blanks))}.</p>" if remedy.blanks else ""
    return f"<pre>{escaped(remedy.command, lines=True)}</pre>{fill}"


def _flags(remedy: Remedy) -> str:
    if not remedy.changes:
        return ""
    rows = [
        [f"<code>{escaped(c.flag)}</code>", f'<span class="long">{escaped(c.why)}</span>']
        for c in remedy.changes
    ]
    return table(("flag", "why"), rows, "What its flags do", (0, 1))


def _price(remedy: Remedy) -> str:
    told = f"Cost: {cost_of(remedy)}."
    if remedy.changes and remedy.epochs is not None:
        told += f" Gain: {gain_of(remedy)}."
        if remedy.memory:
            told += f" If memory runs out, add {remedy.memory}."
    return told


def _causes(advice: Advice) -> str:
    counsels = advice.counsels
    named = [c for c in counsels if c.suspicion.probability >= _LEAST] or list(counsels[:1])
    items = "".join(_cause(c, counsels[0]) for c in named)
    rest = counsels[len(named) :]
    if rest:
        left = sum(c.suspicion.probability for c in rest)
        items += f'<li><span class="share">{left:.0%}</span> {len(rest)} others</li>'
    return f'<ul class="causes">{items}</ul>'


def _cause(counsel: Counsel, first: Counsel) -> str:
    suspicion, remedy = counsel.suspicion, counsel.remedy
    share = suspicion.probability
    strong = [g for g in suspicion.grounds if g.factor > _WEAK][:_MOST_GROUNDS]
    grounds = _items([f"{g.factor:.2g} times likelier by: {g.seen}" for g in strong])
    other = remedy.words != first.remedy.words
    what = f"<p>If so: {escaped(remedy.title)}</p>{_command(remedy)}" if other else ""
    head = f'<span class="share">{share:.0%}</span> {_sentence(suspicion.cause.sentence)}'
    meter = f'<div class="meter" aria-hidden="true"><i style="width:{100 * share:.0f}%"></i></div>'
    if not (grounds or what):
        return f"<li>{head}{meter}</li>"
    return f"<li><details><summary>{head}</summary>{grounds}{what}</details>{meter}</li>"


def _ladder(ladder: Sequence[Remedy]) -> str:
    if not ladder:
        return ""
    steps = "".join(
        f"<details><summary>{_sentence(r.title)}</summary>{_command(r)}"
        f'<p class="soft">{escaped(_price(r))}</p></details>'
        for r in ladder
    )
    return f"<h3>If that does not help</h3>{steps}"


def _items(sentences: Sequence[str]) -> str:
    items = "".join(f"<li>{_sentence(s)}</li>" for s in sentences)
    return f"<ul>{items}</ul>" if items else ""


def _sentence(text: str) -> str:
    return escaped(text[:1].upper() + text[1:])
