"""Printed logs of any origin, read as a past; settings at their head are no part of it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from decamo.history.gathering import Gathering
from decamo.history.log_lines import baseline_of, cleaned, headline, parsed_line_of, setting_out
from decamo.history.log_names import column_meaning, split_lines, word_set
from decamo.history.log_tables import Table, UnnamedColumns, object_of, parsed_object, table_of
from decamo.history.parsed_lines import ParsedLine
from decamo.history.run_log import KINDS, log_of_entries
from decamo.history.training_log import Origin, TrainingLog

__all__ = [
    "LogReader",
    "SettingsFilter",
    "is_settings",
    "log_of_text",
    "planned_epochs",
]

_PAIR = re.compile(r"(?<![\w./-])(?:--)?([A-Za-z][\w.-]{0,40})['\"]?\s{0,4}[:=]\s{0,4}")
_VALUED = re.compile(r"[-+\[('\"]{0,3}[.\d]")
_OF_EPOCHS = re.compile(
    r"(?<![\w.-])(?:(?:num|max|n|total|train|training|end)_?)?epochs?(?:_?num)?['\"]?"
    r"\s{0,4}[:=]\s{0,4}['\"]?(\d{1,7})(?![\w./])",
    re.IGNORECASE,
)
_ONE_OF = re.compile(r"\b(?:epoch|ep)\W{0,4}\d{1,7}\W{0,3}\s?(?:/|of)\s?\d", re.IGNORECASE)

# Nobody prints these with an epoch's results.
_STRONG = word_set(
    "batch batchsize trainbatchsize valbatchsize bs trainsize testsize imgsize imagesize"
    " inputsize cropsize decayrate decayepoch lrdecay lrdecayepoch weightdecay wd"
    " momentum seed randomseed optimizer optim clip gradclip clipgrad gpu gpuid gpuids"
    " gpus numworkers workers nworkers lastepoch snapshot numclasses backbone model arch"
    " network pretrained savepath saveroot savedir trainroot valroot testroot trainpath"
    " valpath testpath rgbroot gtroot datapath dataset datadir dataroot datasetpath"
    " resume load amp fp16 warmup warmupepochs warmupiters patience gamma stepsize betas"
    " scheduler lrscheduler worldsize distbackend device outputdir savefreq printfreq"
    " evalfreq valfreq saveinterval loginterval valinterval evalinterval nesterov"
    " accumulationsteps gradaccum weightinit clipvalue poly lrmode expname logdir channel"
)
_WEAK = word_set(
    "epoch epochs epochnum numepoch numepochs maxepoch maxepochs nepoch nepochs"
    " totalepoch totalepochs endepoch startepoch trainepochs lr lr0 lrf learningrate"
    " baselr initlr minlr maxlr maxiter maxiters iterations iternum type"
)
_RESULTS = ("loss", "val_loss", "iou", "dice", "mae")
_MOST_BUFFERED = 400  # lines of one block; a longer one is no header

_PREFIX = re.compile(r"^.{0,60}?\b(?:INFO|DEBUG)\b[\])]?\s*[:|-]{0,3}\s*|^[\d\-/:.,\s\[\]]{8,40}")
_MARKS = " \t-*•>|{}()[],;'\""


def is_settings(line: str) -> bool:
    """Whether a line prints the settings of a run rather than what came of it."""
    names = [_plain(match[1]) for match in _PAIR.finditer(line)]
    strong, weak = sum(n in _STRONG for n in names), sum(n in _WEAK for n in names)
    if not strong or (strong + weak < 3 and strong < 2) or _ONE_OF.search(line):
        return False
    return not any(_is_result(line, match) for match in _PAIR.finditer(line))


def planned_epochs(line: str) -> int | None:
    """How many epochs a line of settings plans; None where it does not say."""
    match = _OF_EPOCHS.search(line)
    return int(match[1]) or None if match else None


def _is_result(line: str, match: re.Match[str]) -> bool:
    meaning = column_meaning(match[1])
    return (
        meaning is not None
        and meaning.name in _RESULTS
        and _VALUED.match(line, match.end()) is not None
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.rsplit(".", 1)[-1].lower())


@dataclass
class SettingsFilter:
    """Passes a log's lines on but for its settings: one line, or a block with one a line.

    Attributes:
        planned: how many epochs the settings plan; None where they do not say.
    """

    planned: int | None = None
    _block: list[str] = field(default_factory=list)

    def passed(self, lines: Iterable[str]) -> Iterator[str]:
        """The lines without the settings, in their order."""
        for line in lines:
            if len(self._block) < _MOST_BUFFERED and self._belongs(line):
                self._block.append(line)
                continue
            yield from self._flushed()
            if len(line) <= 4 * 4096 and is_settings(line):
                self._plan(line)
            else:
                yield line
        yield from self._flushed()

    def _belongs(self, line: str) -> bool:
        """Whether a line has one ``name: value`` and no more; brackets alone go on with a block."""
        if len(line) > 400:
            return False
        bare = _PREFIX.sub("", line).strip(_MARKS)
        if not bare:
            return bool(self._block)
        match = _PAIR.match(bare)
        return match is not None and len(_PAIR.findall(bare)) == 1

    def _flushed(self) -> Iterator[str]:
        block, self._block = self._block, []
        if len(block) > 1 and is_settings(" ; ".join(block)):
            self._plan(" ; ".join(block))
            return
        yield from block

    def _plan(self, text: str) -> None:
        planned = planned_epochs(text)
        self.planned = planned if planned is not None else self.planned


# The action plan quotes such lines without saying where they come from; this program prints the
# longer form, and how it set out before them.
_PLANS = re.compile(r"[^\w]*Epoch \d+: ")
_OURS = re.compile(r"Epoch \d+: Loss: \S+ \| IoU: \S+ \| Dice: \S+ \| LR: \S+")
_WHOLE_LOG = 10  # lines; so many without a beginning of ours are another program's


def log_of_text(text: str | Iterable[str], source: str = "") -> TrainingLog:
    """What a log tells, whoever wrote it; nothing in it makes this fail.

    Understood, line by line and mixed as they come: epoch lines for people (in the manner of
    ``Epoch 87: Loss: 0.2341 | IoU: 0.6350``), several lines an epoch, progress bars, JSON objects,
    printed dicts, tables with a header (CSV, columns), rows of numbers without one, and this
    project's own journal. Settings printed at its head are no epochs.
    A score printed without ``%`` counts as a percentage if all its values are above 1.

    Args:
        text: whole, or as lines.
        source: where it is from, for people.

    Returns:
        the past; without points, and with a note, where there is no epoch in it.
    """
    lines = split_lines(iter([text])) if isinstance(text, str) else iter(text)
    return LogReader(source).read(lines)


@dataclass
class LogReader:
    """Reads one log.

    Attributes:
        source: where it is from, for people.
        seen: whether anything was in it that a training prints; known after :meth:`read`.
    """

    source: str = ""
    seen: bool = False
    _table: Table | None = None
    _ours: bool = False  # a line was read that only this program prints
    _numbered: int = 0
    _alike: int = 0
    _exact: bool = True
    _columns: UnnamedColumns = field(default_factory=UnnamedColumns)

    def read(self, lines: Iterable[str]) -> TrainingLog:
        """The past that the lines tell."""
        gathering = Gathering(self.source)
        settings = SettingsFilter()
        passed = settings.passed(lines)
        for line in passed:
            entry = object_of(line)
            if entry is not None:
                if entry.get("kind") in KINDS:
                    self.seen = True
                    return log_of_entries(_entries(entry, passed), self.source)
                parsed = parsed_object(entry)
                if parsed is not None:
                    gathering.see(parsed)
                continue
            self._line(cleaned(line), gathering)
        if gathering.unread:
            self._unnamed(gathering)
        if settings.planned is not None:
            gathering.plan(settings.planned)
        self.seen = not gathering.empty
        return replace(gathering.past(), origin=self._origin())

    def _origin(self) -> Origin:
        if self._ours:
            return Origin.OURS
        plain = 0 < self._alike == self._numbered
        return (
            Origin.UNKNOWN
            if plain and (self._exact or self._alike < _WHOLE_LOG)
            else (Origin.FOREIGN)
        )

    def _line(self, line: str, gathering: Gathering) -> None:
        """Take in one line."""
        if self._table is not None:
            row = self._table.row(line)
            if row is not None:
                gathering.see(row)
                return
        stretch, baseline = setting_out(line), baseline_of(line)
        self._ours = self._ours or stretch is not None or baseline is not None
        if stretch is not None:
            gathering.set_out(stretch)
        elif baseline is not None:
            gathering.baseline(baseline)
        elif (parsed := parsed_line_of(line)) is not None:
            gathering.see(parsed)
            self._count(line, parsed)
        elif (title := headline(line)) is not None:
            gathering.announce(*title)
        elif not self._columns.take(line):
            self._table = table_of(line) or self._table

    def _count(self, line: str, parsed: ParsedLine) -> None:
        """How many epoch lines there are, and how many in the action plan's form and in ours."""
        if parsed.epoch is not None:
            self._numbered += 1
            self._alike += _PLANS.match(line) is not None
            self._exact = self._exact and _OURS.search(line) is not None

    def _unnamed(self, gathering: Gathering) -> None:
        found, note = self._columns.parsed_lines()
        for parsed in found:
            gathering.see(parsed)
        if note:
            gathering.notes.append(note)


def _entries(first: dict[str, Any], lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    objects = (object_of(line) for line in lines)
    return chain([first], (entry for entry in objects if entry is not None))
