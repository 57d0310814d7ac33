"""Lines, numbers and names of other people's logs, and what they mean.

They are told apart by how they move over the whole log, not by where they stand.
"""

import codecs
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

__all__ = [
    "LONGEST",
    "NUMBER",
    "ColumnMeaning",
    "blocks",
    "column_meaning",
    "counters_in",
    "epoch_counter",
    "is_epoch",
    "is_step",
    "lines_of",
    "number_of",
    "part_of_loss",
    "scope_of",
    "split_lines",
    "word_set",
]

# Separators within are judged by `number_of`; possessive, so that no text makes it slow.
NUMBER = (
    r"[-+]?(?:(?:\d++(?:[.,]\d++)*+\.?|\.\d++)(?:[eE][-+]?\d++)?+|(?i:nan|inf(?:inity)?))"
    r"(?![A-Za-z0-9_])"
)

_PLAIN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?i:nan|inf(?:inity)?)")
_COMMA = re.compile(r"([-+]?)(\d+),(\d+)((?:[eE][-+]?\d+)?)")


def number_of(text: str) -> float | None:
    """The number that a text is, or None if it is none or could be two.

    A comma counts as the decimal point unless it could separate thousands (``1,234``).
    An infinity becomes NaN: both say that something broke.
    """
    text = text.strip()
    match = _COMMA.fullmatch(text)
    if match and (match[2].strip("0") == "" or len(match[3]) != 3):
        text = f"{match[1]}{match[2]}.{match[3]}{match[4]}"
    if not _PLAIN.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else math.nan


LONGEST = 1 << 20  # characters kept of a line; the rest is dropped
_CHUNK = 1 << 20
# A progress bar returns the carriage; each of its states is a line.
_BREAKS = re.compile(r"\r\n|[\r\n]")
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def lines_of(stream: BinaryIO) -> Iterator[str]:
    """Lines of a file that may hold anything; memory does not grow with the length of a line.

    UTF-8 or, by its mark, UTF-16, as PowerShell writes it; what cannot be decoded is replaced.
    """
    chunk = stream.read(_CHUNK)
    name = next((n for mark, n in _UTF16.items() if chunk.startswith(mark)), "utf-8-sig")
    decoder = codecs.getincrementaldecoder(name)(errors="replace")
    return split_lines(_decoded(stream, chunk, decoder))


def _decoded(stream: BinaryIO, chunk: bytes, decoder: codecs.IncrementalDecoder) -> Iterator[str]:
    while chunk:
        yield decoder.decode(chunk).removeprefix("\ufeff")
        chunk = stream.read(_CHUNK)
    yield decoder.decode(b"", final=True)


def split_lines(pieces: Iterator[str]) -> Iterator[str]:
    """Lines of a text that comes in pieces, each cut to :data:`LONGEST` characters."""
    tail = ""
    for piece in pieces:
        *whole, last = _BREAKS.split(tail + piece)
        for line in whole:
            yield line[:LONGEST]
        tail = last[:LONGEST]  # a line that goes on for longer is cut here and now
    if tail:
        yield tail


def word_set(text: str) -> frozenset[str]:
    """The words of a text, each once."""
    return frozenset(text.split())


_VAL = word_set("val va valid validation validate validating eval evaluation evaluating dev")
_TEST = word_set("test testing tst")
_TRAIN = word_set("train tr training trn")
_SCOPES = dict.fromkeys(_VAL, "val") | dict.fromkeys(_TEST, "test") | dict.fromkeys(_TRAIN, "train")

_SCORES = {
    **dict.fromkeys(("iou", "miou", "jaccard", "iouscore", "meaniou", "jaccardindex"), "iou"),
    **dict.fromkeys(("dice", "dsc", "mdice", "f1", "dicescore", "f1score", "dicecoef"), "dice"),
    "mae": "mae",
}
_FILLERS = word_set(
    "mean avg average m score index coef coefficient binary metric metrics epoch overall total"
    " fg foreground object smoothed step all sum"
)
# A name with one of these speaks of another number than this epoch's.
_BLOCKERS = word_set(
    "best max min maximum minimum target goal ema final previous prev last old initial init base"
    " peak gain delta boundary threshold improvement if from than ratio decay factor"
)
_OF_FLAGS = word_set("stage1 stage2 stage3 start end scheduler mult warmup finder")
_KNOWN = (
    frozenset(_SCORES) | _FILLERS | _BLOCKERS | frozenset(_SCOPES) | {"loss", "lr", "grad", "norm"}
)
_NO_LOSS = word_set(
    "weight weights scale scaler type fn func function name names mode ratio coef coefficient"
    " lambda reduction thr threshold best min max prev previous last target ema decay"
)
_NUMBERED = re.compile(r"(?<=loss)(?=\d)")
_NUMBERED_RATE = re.compile(r"lr(\d{1,2})")
_CAMEL = re.compile(r"[A-Z]?[a-z]+\d*|[A-Z]+(?![a-z])|\d+")
_LONGEST = 100


@dataclass(frozen=True)
class ColumnMeaning:
    """What a name stands for.

    Attributes:
        name: a field of :class:`~decamo.history.training_log.Point`.
        rank: 3 if the name says outright that it is the wanted one (a validation score, a
            training loss), 2 if it leaves that open, 1 for the second best (a test score).
        group: the parameter group of a learning rate; empty if none is named.
        running: it is said of a step, not of the whole epoch.
    """

    name: str
    rank: int
    group: str = ""
    running: bool = False


def column_meaning(name: str, scope: str = "") -> ColumnMeaning | None:
    """The meaning of a name, or None if it is nothing that a past knows.

    Args:
        name: as written, such as ``val/IoU``.
        scope: ``train``, ``val`` or ``test`` where the text around it says so.
    """
    tokens = _tokens(name)
    own = next((_SCOPES[t] for t in tokens if t in _SCOPES), "")
    running = "step" in tokens
    if not tokens or _BLOCKERS & set(tokens):
        return None
    if "loss" in tokens:
        rest = set(tokens) - {"loss"} - _FILLERS - set(_SCOPES)
        return None if rest else _loss(own or scope, running)
    rate = _rate(tokens)
    if rate is not None:
        return ColumnMeaning("lr", 2, rate, running)
    if tokens in (["grad", "norm"], ["gradnorm"], ["gradient", "norm"]):
        return ColumnMeaning("grad_norm", 2, running=running)
    return _score(tokens, own, scope, running)


def part_of_loss(name: str, scope: str = "") -> ColumnMeaning | None:
    """The meaning of a term of a loss, such as ``loss_bce`` or ``Loss2``; None for anything else.

    It stands in for the loss where no total is written down.

    Args:
        name: as written.
        scope: as for :func:`column_meaning`.
    """
    tokens = [t for token in _tokens(name) for t in _NUMBERED.split(token) if t]
    if "loss" not in tokens or _NO_LOSS & set(tokens):
        return None
    own = next((_SCOPES[t] for t in tokens if t in _SCOPES), "") or scope
    group = ".".join(t for t in tokens if t != "loss" and t not in _SCOPES and t != "step")
    if not group or group.replace(".", "") == "":
        return None
    field = "val_part" if own in ("val", "test") else "part"
    return ColumnMeaning(field, 1, group, running="step" in tokens)


def scope_of(word: str) -> str:
    """``train``, ``val`` or ``test`` for a word that says so, else nothing."""
    return _SCOPES.get(word.lower(), "")


def blocks(word: str) -> bool:
    """Whether a word before a name tells that another number is meant: ``best IoU``."""
    return word.lower() in _BLOCKERS


def is_epoch(name: str) -> bool:
    """Whether a column or key counts epochs."""
    return _tokens(name) in (["epoch"], ["ep"], ["current", "epoch"], ["trainer", "epoch"])


def is_step(name: str) -> bool:
    """Whether a column or key counts optimizer steps."""
    return _tokens(name) in (["step"], ["global", "step"], ["iter"], ["iteration"])


def _loss(scope: str, running: bool) -> ColumnMeaning:
    if scope in ("val", "test"):
        return ColumnMeaning("val_loss", 3 if scope == "val" else 1, running=running)
    return ColumnMeaning("loss", 3 if scope == "train" else 2, running=running)


def _score(tokens: list[str], own: str, scope: str, running: bool) -> ColumnMeaning | None:
    found = {_SCORES[t] for t in tokens if t in _SCORES}
    rest = set(tokens) - set(_SCORES) - _FILLERS - set(_SCOPES)
    if len(found) != 1 or rest or own == "train":  # a score of training images is another thing
        return None
    # A word such as "train" beside the name may be the logger's; it makes the score a poor one.
    rank = {"val": 3, "": 2, "test": 1, "train": 1}[own or scope]
    return ColumnMeaning(found.pop(), rank, running=running)


def _rate(tokens: list[str]) -> str | None:
    """The group of a learning rate, empty for the only one; None for anything else."""
    if len(tokens) == 1 and (numbered := _NUMBERED_RATE.fullmatch(tokens[0])):
        return numbered[1]
    if "lr" in tokens:
        rest = [t for t in tokens if t != "lr"]
    elif "learningrate" in tokens or {"learning", "rate"} <= set(tokens):
        rest = [t for t in tokens if t not in ("learning", "rate", "learningrate")]
    else:
        return None
    if _OF_FLAGS & set(rest):
        return None
    return ".".join(t for t in rest if t not in _FILLERS and t not in _SCOPES and t != "current")


def _tokens(name: str) -> list[str]:
    tokens: list[str] = []
    for piece in re.split(r"[^A-Za-z0-9]+", name[:_LONGEST].replace("IoU", "Iou")):
        if piece.lower() in _KNOWN or not piece:
            tokens += [piece.lower()] if piece else []
        else:
            parts = _CAMEL.findall(piece)
            tokens += [p.lower() for p in parts] if "".join(parts) == piece else [piece.lower()]
    return tokens


_COUNTER = re.compile(r"(?<![\w.:/,\-])\[?\s{0,3}(\d{1,9})\s?[/:]\s?(\d{1,9})(?![\w.:/\-]|\s?%)")
_FEWEST = 3  # lines


def counters_in(line: str) -> tuple[tuple[int, int], ...]:
    """All ``done/of`` of a line, those without a word as well; ``done`` is at most ``of``."""
    found = ((int(m[1]), int(m[2])) for m in _COUNTER.finditer(line))
    return tuple((done, of) for done, of in found if done <= of and of > 0)


def epoch_counter(
    rows: Sequence[tuple[tuple[int, int], ...]],
) -> tuple[int, tuple[int, ...]] | None:
    """The counter of a log that counts epochs.

    It only grows, and stands still while another one runs: from one line to the next it changes
    more rarely than any other. A log with one counter has a line an epoch.

    Args:
        rows: the counters of each line.

    Returns:
        its index, and the totals of the lines that it is read from; None where there is none.
    """
    shapes = Counter(tuple(of for _, of in row) for row in rows if row)
    if not shapes:
        return None
    shape = shapes.most_common(1)[0][0]
    alike = [[done for done, _ in row] for row in rows if tuple(of for _, of in row) == shape]
    if len(alike) < _FEWEST:
        return None
    columns = list(zip(*alike, strict=True))
    steps = [sum(a != b for a, b in pairwise(column)) for column in columns]
    grow = [i for i, column in enumerate(columns) if _grows(column)]
    if len(columns) == 1:
        each = grow and steps[0] == len(alike) - 1
        return (0, shape) if each else None
    if not grow:
        return None
    slowest = min(grow, key=lambda i: steps[i])
    others = [steps[i] for i in range(len(columns)) if i != slowest]
    return (slowest, shape) if steps[slowest] < max(others) else None


def _grows(column: Sequence[int]) -> bool:
    """From line to line by 0 or 1 but for resumes, which are rare."""
    jumps = sum(b - a not in (0, 1) for a, b in pairwise(column))
    return jumps <= len(column) // 50
