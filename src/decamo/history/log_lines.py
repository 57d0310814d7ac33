"""Printed lines of a training log, from any program."""

import math
import re
from dataclasses import dataclass, replace

from decamo.history.log_names import (
    NUMBER,
    ColumnMeaning,
    blocks,
    column_meaning,
    counters_in,
    number_of,
    part_of_loss,
    scope_of,
)
from decamo.history.parsed_lines import ParsedLine, Said
from decamo.history.training_log import LogSegment

__all__ = [
    "LONGEST_LINE",
    "baseline_of",
    "cleaned",
    "headline",
    "parsed_line_of",
    "setting_out",
]

_SET_OUT = re.compile(
    r"(start|continue|extend|branch): epoch (\d{1,7}) to (\d{1,7}), step \d.*?\((.*)\)\s*"
)
_BASELINE = re.compile(r"before epoch \d{1,7}, on the held-out images: IoU ([01]\.\d+)\b")


def setting_out(line: str) -> LogSegment | None:
    """The stretch that a line such as ``branch: epoch 87 to 150, step 710 to ...`` begins."""
    match = _SET_OUT.fullmatch(line.strip())
    if match is None or not 1 <= int(match[2]) <= int(match[3]):
        return None
    return LogSegment(int(match[2]), match[1], match[4], planned_end=int(match[3]))


def baseline_of(line: str) -> float | None:
    """The IoU, in [0, 1], of the weights set out from, where a line tells it."""
    match = _BASELINE.match(line.strip())
    return float(match[1]) if match and float(match[1]) <= 1 else None


LONGEST_LINE = 4096  # characters looked at; what says an epoch's scores is shorter

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_WIDE = str.maketrans("：＝，％｜", ":=,%|")  # punctuation of East Asian keyboards
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

_EPOCH = re.compile(
    r"(?<![\w-])(?:epoch|ep)(?![a-z_-])['\"*]*"
    r"\s*(?:\((?P<of>[a-z]{2,10})\))?\s*(?:no\.?|number|idx|\#)?\s*[:=#]?\s*['\"*\[(]*\s*"
    r"(?P<number>\d{1,7}(?:\.\d{1,9})?)(?![\w]|\.\d)(?!\s*(?:%|→|->|[–—]|-\d))"
    r"[\])]?(?:\s*(?:/|of\b)\s*(?P<total>\d{1,7})(?!\d))?",
    re.IGNORECASE,
)
_PAIR = re.compile(
    r"(?<![\w./@\-])(?P<name>[A-Za-z][\w./@\-]{0,60})"
    r"(?P<aside>\s?[\[(](?:val|valid|validation|test|train|training|eval)[\])])?"
    r"['\"*\])]{0,4}\s{0,8}(?P<sign>[:=]{0,2})['\"*]{0,3}\s{0,8}['\"\[(]{0,3}"
    r"(?:(?:np\.|numpy\.|torch\.)?(?:float\d\d|tensor)\()?"
    rf"(?P<number>{NUMBER})(?P<percent>\s?%)?",
    re.IGNORECASE,
)
_RANGE = re.compile(r"[-–—]\d|\s{0,4}(?:→|->|=>|–|—|to\s)\s{0,4}[~+-]?\d")
_WORD = re.compile(r"[A-Za-z_]{2,}")
_SECOND_NAMES = frozenset({"rate", "score", "coefficient", "coef", "index", "norm"})
_BAR = re.compile(r"\d{1,3}%\|[^|]{0,200}\|\s*\d|\[[=>.#\s-]{4,}\]|[━█▉-▏]{3}")
_STEP = re.compile(
    r"(?:\b(?:step|iter|iteration|batch)\b\s?[:=]?|\])\s*[\[(]?\s*(\d+)\s*/\s*(\d+)"
    r"|\[(\d+)/(\d+)\s*\(",
    re.IGNORECASE,
)
_STEP_ALONE = re.compile(r"\b(?:step|iter|iteration|batch)\b\s?[:=]?\s*\d", re.IGNORECASE)
_OF_BAR = re.compile(r"\b(\d{1,9})/(\d{1,9})\b\s*[\[(━]")
_RATE = r"(?:\d{1,9}\.\d{0,19}(?:[eE][-+]?\d{1,3})?|\d{1,9}[eE][-+]?\d{1,3})"
_RATES = re.compile(rf"{_RATE}(?:[,/;]{_RATE})+(?![\w.])")
_SPACED_RATES = re.compile(rf"{_RATE}(?:[,/;]?\s?{_RATE})+(?![\w.])")
_BETWEEN_RATES = re.compile(r"[,/;\s]+")
# The mean of an epoch so far and the loss of this step.
_MEAN_AND_NOW = re.compile(r"\bM:\d+\.\d+\s?/\s?C:(\d+\.\d+)")
_RUNNING_LOSS = ColumnMeaning("loss", 2, running=True)
_FEW_WORDS = 6  # a line of a log has hardly more beside its names and values; prose has


@dataclass(frozen=True)
class _Epoch:
    number: int
    total: int | None
    begin: int
    end: int
    scope: str
    part: bool


def cleaned(line: str) -> str:
    """A line without colours, cursor movements and control characters, at a bounded length."""
    return _CONTROL.sub("", _ESCAPES.sub("", line[:LONGEST_LINE])).translate(_WIDE)


def parsed_line_of(line: str) -> ParsedLine | None:
    """What a (cleaned) line says, or None if it says nothing or is prose."""
    epoch = _epoch_of(line)
    said, parts, taken = _pairs(line, epoch)
    now = _MEAN_AND_NOW.search(line)
    if now is not None and not any(one.meaning.name == "loss" for one in said):
        said += (Said(_RUNNING_LOSS, float(now[1])),)
    if not said and not parts:
        return None
    words = len(_WORD.findall(line)) - taken
    if epoch is None:
        # Without a number of its own a line must look like a log, sign and all.
        if words > _FEW_WORDS:
            return None
        return _judged(line, ParsedLine(None, said, parts=parts, counters=counters_in(line)))
    before = len(_WORD.findall(line[: epoch.begin]))
    if before > _FEW_WORDS and words > 2 * _FEW_WORDS:
        return None
    return _judged(line, ParsedLine(epoch.number, said, epoch.total, parts=parts), part=epoch.part)


def headline(line: str) -> tuple[int, int | None] | None:
    """The epoch and the planned last one that a line without values announces."""
    epoch = _epoch_of(line)
    if epoch is None or len(_WORD.findall(line)) > _FEW_WORDS + 1:
        return None
    return epoch.number, epoch.total


def _epoch_of(line: str) -> _Epoch | None:
    for match in _EPOCH.finditer(line):
        before = _WORD.findall(line[max(0, match.start() - 30) : match.start()])
        if before and (blocks(before[-1]) or before[-1].lower() == "before"):
            continue
        total = int(match["total"]) if match["total"] else None
        near = _WORD.findall(line[max(0, match.start() - 14) : match.start()])
        scope = scope_of(match["of"] or "") or next((scope_of(w) for w in near[::-1]), "")
        # A part of an epoch belongs to the one under way.
        at = float(match["number"])
        part = at != int(at)
        return _Epoch(math.ceil(at), total, match.start(), match.end(), scope, part)
    return None


def _pairs(line: str, epoch: _Epoch | None) -> tuple[tuple[Said, ...], tuple[Said, ...], int]:
    """Values and terms of a loss, and how many words of the line belong to them."""
    scope, end, taken = (epoch.scope if epoch else ""), 0, 0
    said: list[Said] = []
    parts: list[Said] = []
    for match in _PAIR.finditer(line):
        if epoch and match.start() < epoch.end and match.end() > epoch.begin:
            end = match.end()
            continue
        before = _WORD.findall(line[end : match.start()])
        for word in before if not epoch or match.start() > epoch.end else ():
            scope = scope_of(word) or scope
        end = match.end()
        several = _several_rates(line, match)
        one = _said(line, match, before, scope, numbered=epoch is not None)
        part = _part(match, before, scope) if one is None else None
        if several:
            said += several
        elif one is not None:
            said.append(one)
        elif part is not None:
            parts.append(part)
        if several or one is not None or part is not None:
            taken += len(_WORD.findall(match[0])) + (len(before[-1:]) if _second(match) else 0)
    return tuple(said), tuple(parts), taken + (1 if epoch else 0)


def _several_rates(line: str, match: re.Match[str]) -> list[Said]:
    """Learning rates of several groups: ``LR: 1.00e-05,1.00e-04`` or ``lr: [1e-5, 1e-4]``."""
    meaning = column_meaning(match["name"])
    if meaning is None or meaning.name != "lr" or meaning.group:
        return []
    begin = match.start("number")
    listed = (_SPACED_RATES if line[begin - 1] in "[(" else _RATES).match(line, begin)
    if listed is None:
        return []
    values = [float(cell) for cell in _BETWEEN_RATES.split(listed[0])]
    return [Said(replace(meaning, group=str(i)), value) for i, value in enumerate(values)]


def _part(match: re.Match[str], before: list[str], scope: str) -> Said | None:
    """A term of a loss."""
    meaning = part_of_loss(match["name"], scope)
    value = number_of(match["number"])
    if meaning is None or value is None or not match["sign"] or match["percent"]:
        return None
    return None if any(blocks(word) for word in before[-2:]) else Said(meaning, value)


def _second(match: re.Match[str]) -> bool:
    return match["name"].lower() in _SECOND_NAMES


def _said(
    line: str, match: re.Match[str], before: list[str], scope: str, *, numbered: bool
) -> Said | None:
    name = match["name"]
    if _second(match) and before:
        name, before = f"{before[-1]} {name}", before[:-1]
    if any(blocks(word) for word in before[-2:]) or not (match["sign"] or numbered):
        return None
    aside = scope_of((match["aside"] or "").strip(" ()[]"))
    meaning = column_meaning(name, aside or scope)
    value = number_of(match["number"])
    if meaning is None or value is None or _RANGE.match(line, match.end()):
        return None
    if match["percent"]:
        return Said(meaning, value / 100, percent=True) if meaning.name in _PERCENTS else None
    return Said(meaning, value)


_PERCENTS = ("iou", "dice", "mae")


def _judged(line: str, seen: ParsedLine, *, part: bool = False) -> ParsedLine:
    """Tell what is said of the whole epoch from what is said of a step or of a part of it.

    A bar may show the score of the epoch before until its own is known: scores count at its end.
    """
    step, bar = _STEP.search(line), _BAR.search(line)
    of_bar = _OF_BAR.search(line) if bar else None
    count = of_bar or step
    done, of = [int(g) for g in count.groups() if g is not None] if count else (0, 1)
    scored = any(one.meaning.name in _PERCENTS for one in seen.said)
    if (step or bar) and done < of:
        said = tuple(one for one in seen.said if one.meaning.name not in _PERCENTS)
        return replace(seen, said=said, running=True)
    if bar:
        return replace(seen, redrawn=True)
    if step or part or (_STEP_ALONE.search(line) and not scored):
        return replace(
            seen,
            said=tuple(_of_step(one) for one in seen.said),
            parts=tuple(_of_step(one) for one in seen.parts),
        )
    return seen


def _of_step(one: Said) -> Said:
    if one.meaning.name in _PERCENTS:
        return one
    return replace(one, meaning=replace(one.meaning, running=True))
