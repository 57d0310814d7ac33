"""Advice as a part of a page: what to do now, why, and what comes after."""

from collections.abc import Sequence

from decamo.diagnosis import Advice, Counsel, Remedy
from decamo.report.diagnosis_text import cost_of, gain_of
from decamo.report.page import escaped, table

__all__ = ["ADVICE_STYLE", "advice_section"]

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
