"""A diagnosis and its advice for people: the verdict on top, then why, then what to do."""

import shlex
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.text import Text

from decamo.diagnosis import (
    Advice,
    Counsel,
    Diagnosis,
    Evidence,
    Remedy,
    Symptom,
    SymptomKind,
)
from decamo.diagnosis.command import pasteable
from decamo.history import Origin
from decamo.report.plan_text import epoch_rows
from decamo.settings.words import duration

__all__ = ["Block", "cost_of", "diagnosis_blocks", "diagnosis_text", "gain_of", "tell"]

_WIDTH = 96
_LEAST = 0.05  # causes under this probability are counted, not named
_MOST_GROUNDS = 3
_NOTHING = 1e-9  # what a fit leaves of a level line by rounding

_STYLES = {"good": "bold green", "info": "bold cyan", "notice": "bold cyan",
           "warning": "bold yellow", "critical": "bold red"}  # fmt: skip


@dataclass(frozen=True)
class Block:
    """A part of what is told.

    Attributes:
        title: a heading; the verdict itself in the first block.
        lines: below it, each at most 96 characters but for commands and names.
        style: of the heading on a terminal.
    """

    title: str
    lines: tuple[str, ...]
    style: str = "bold"


def diagnosis_blocks(diagnosis: Diagnosis, advice: Advice) -> tuple[Block, ...]:
    """All that a person should know, the most important first."""
    verdict = diagnosis.verdict
    top = Block(_headline(verdict), (), _STYLES[verdict.severity])
    blocks = [
        top,
        Block("Evidence", tuple(_evidence(verdict.evidence))),
        Block("Also seen", tuple(_others(diagnosis))),
        Block("Forecast", tuple(_forecast(advice))),
        Block("Likely causes", tuple(_causes(diagnosis, advice))),
        Block("First: adopt the checkpoint", tuple(_adopt(advice)), "bold green"),
        Block(f"{_now(advice)}: {advice.first.title}", tuple(_remedy(advice.first)), "bold green"),
        Block("Or let short trials decide", tuple(_race(advice))),
        Block("If that does not help", tuple(_ladder(advice.ladder))),
        Block("When to look again", tuple(_items(advice.checks))),
        Block("What was read and assumed", (*_items(diagnosis.seen), *_whose(advice))),
    ]
    return tuple(b for b in blocks if b.lines or b is top)


def diagnosis_text(diagnosis: Diagnosis, advice: Advice) -> str:
    """The blocks as plain text."""
    return "\n\n".join("\n".join((b.title, *b.lines)) for b in diagnosis_blocks(diagnosis, advice))


def tell(diagnosis: Diagnosis, advice: Advice, out: TextIO) -> None:
    """Print it; headings are styled on a terminal, elsewhere it is plain text."""
    console = Console(file=out, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        out.write(diagnosis_text(diagnosis, advice) + "\n")
        return
    for number, block in enumerate(diagnosis_blocks(diagnosis, advice)):
        if number:
            console.print()
        console.print(Text(block.title, style=block.style), soft_wrap=True)
        for line in block.lines:
            console.print(Text(line), soft_wrap=True)


def _headline(verdict: Symptom) -> str:
    """The sentence with its first words, which are the verdict, in capitals."""
    if verdict.kind == SymptomKind.NON_FINITE:
        return f"BROKEN: {verdict.sentence}"
    ends = [i for mark in (":", " at ", ",") if (i := verdict.sentence.find(mark)) > 0]
    cut = min(ends, default=0)
    return verdict.sentence[:cut].upper() + verdict.sentence[cut:]


def _evidence(evidence: Sequence[Evidence]) -> Iterator[str]:
    rows = [
        [
            e.what,
            _shown(e.value),
            "" if e.threshold is None else _shown(e.threshold),
            _epochs(e.epochs),
        ]
        for e in evidence
        if not isinstance(e.value, str)
    ]
    if rows:
        table = epoch_rows(["", "value", "held against", "epochs"], rows).splitlines()
        width = max(len(row[0]) for row in rows)
        for line in table:  # names read better from the left
            yield f"  {line[:width].strip():{width}}{line[width:]}"
    for e in evidence:
        if isinstance(e.value, str):
            yield from _wrapped(f"{e.what}: {e.value}", "  ")


def _others(diagnosis: Diagnosis) -> Iterator[str]:
    for symptom in diagnosis.symptoms[1:]:
        yield from _item(symptom.sentence)


def _forecast(advice: Advice) -> Iterator[str]:
    if advice.forecast is not None:
        yield from _wrapped(advice.forecast.sentence, "  ")


def _causes(diagnosis: Diagnosis, advice: Advice) -> Iterator[str]:
    counsels: Sequence[Counsel] = advice.counsels
    named = [c for c in counsels if c.suspicion.probability >= _LEAST] or list(counsels[:1])
    for number, counsel in enumerate(named):
        suspicion = counsel.suspicion
        yield f"  {suspicion.probability:4.0%}  {suspicion.cause.sentence}"
        strong = [g for g in suspicion.grounds if g.factor > 1.05][:_MOST_GROUNDS]
        for ground in strong if number < 3 else ():
            verdict = ground.seen == diagnosis.verdict.sentence
            seen = "of the verdict" if verdict else ground.seen
            yield from _wrapped(
                f"{_times(ground.factor)} times likelier because {seen}", "        ", 10
            )
        if number and not _same(counsel, counsels[0]):
            yield from _wrapped(f"if so: {_instead(counsel.remedy)}", "        ", 10)
    rest = counsels[len(named) :]
    if rest:
        left = sum(c.suspicion.probability for c in rest)
        yield f"  {left:4.0%}  {len(rest)} others (--json FILE has them all, with their commands)"
    yield from _item(advice.rate)


def _times(factor: float) -> str:
    return f"{factor:.0f}" if factor >= 10 else f"{factor:.2g}"


def _same(counsel: Counsel, other: Counsel) -> bool:
    return counsel.remedy.words == other.remedy.words


def _instead(remedy: Remedy) -> str:
    flags = " ".join(c.flag for c in remedy.changes)
    return f"{remedy.title}" + (f": {flags}" if flags else "")


def _foreign(advice: Advice) -> bool:
    return advice.standing.origin == Origin.FOREIGN


def _now(advice: Advice) -> str:
    return "Then" if _foreign(advice) else "What to do now"


def _adopt(advice: Advice) -> Iterator[str]:
    if advice.adopt is None or not _foreign(advice):
        return
    yield from _item(
        "another program trained this run: its checkpoint becomes a run here, with its epochs and"
        " its past, and is scored here, so that later numbers can be compared"
    )
    yield ""
    yield from pasteable(advice.adopt.words).splitlines()
    yield ""
    if advice.adopt.blanks:
        yield from _item(f"fill in {' and '.join(advice.adopt.blanks)}")
    if best := advice.standing.best_epoch:
        yield from _item(
            f"where the file does not say its epoch, add --epoch N; the best one logged is {best}"
        )


def _race(advice: Advice) -> Iterator[str]:
    if advice.race is not None:
        yield ""
        yield from pasteable(advice.race.words).splitlines()


def _whose(advice: Advice) -> Iterator[str]:
    if advice.adopt is not None and not _foreign(advice):
        yield from _item(
            "whether this program trained it is not told; what another one trained is adopted"
            f" first: {shlex.join(advice.adopt.words)}"
        )


def _remedy(remedy: Remedy) -> Iterator[str]:
    yield from _items(remedy.steps)
    yield ""
    yield from remedy.command.splitlines()
    yield ""
    if remedy.blanks:
        yield from _item(f"fill in {' and '.join(remedy.blanks)}")
        if remedy.epochs is not None and "--backbone" in remedy.words:
            yield from _item(
                "the run's own flags are not known here, so this is the action plan's command line:"
                " --backbone and --num-experts must be those of the checkpoint"
            )
    width = max((len(c.flag) for c in remedy.changes), default=0)
    for change in remedy.changes:
        yield from _wrapped(change.why, f"  {change.flag:{width}}  ", width + 4)
    if remedy.changes:
        yield ""
    yield from _wrapped(cost_of(remedy), "  cost    ", 10)
    if not remedy.changes or remedy.epochs is None:
        return
    yield from _wrapped(gain_of(remedy), "  gain    ", 10)
    if remedy.memory:
        yield from _wrapped(f"if it runs out, add {remedy.memory}", "  memory  ", 10)
    yield "  look    `decamo plan` instead of `decamo train` shows every learning rate beforehand"
    if "--resume-from" in remedy.words:
        yield "  safe    the checkpoint that it goes on from is never overwritten"


def cost_of(remedy: Remedy) -> str:
    """How long a remedy takes."""
    if remedy.words[1] != "train":
        return "no training"
    if remedy.epochs is None:
        return "what is left of the planned epochs; how many and how long is not known"
    if remedy.hours is None:
        return f"{remedy.epochs} epochs; how long one takes is not known"
    return f"{remedy.epochs} epochs, about {duration(remedy.hours * 3600)} at the speed of this run"


def gain_of(remedy: Remedy) -> str:
    """What it may bring, and who says so."""
    return remedy.expected.sentence


def _ladder(ladder: Sequence[Remedy]) -> Iterator[str]:
    for remedy in ladder:
        yield from _item(_instead(remedy))


def _items(sentences: Sequence[str]) -> Iterator[str]:
    for sentence in sentences:
        yield from _item(sentence)


def _item(sentence: str) -> Iterator[str]:
    yield from _wrapped(f"- {sentence}", "  ", 4)


def _wrapped(text: str, first: str, rest: int = 0) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()),
        _WIDTH,
        initial_indent=first,
        subsequent_indent=" " * (rest or len(first)),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _epochs(epochs: tuple[int, int]) -> str:
    first, last = epochs
    return f"{first}" if first == last else f"{first}-{last}"


def _shown(value: float | str) -> str:
    if isinstance(value, str | int):
        return str(value)
    value = 0.0 if abs(value) < _NOTHING else value
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.2g}"
