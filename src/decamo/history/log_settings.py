"""Settings printed at the head of a log: they name epochs and rates, and none of them is one."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from decamo.history.log_names import column_meaning, word_set

__all__ = ["SettingsFilter", "is_settings", "planned_epochs"]

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
