"""From settings to changes to a command to paste: complete, valid, only what differs."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import PurePath
from typing import Any

from decamo.diagnosis.rates import rounded
from decamo.diagnosis.run_state import ADOPTED, RunState
from decamo.history import Origin
from decamo.recipes import RECIPES
from decamo.settings import ModelSettings, ScheduleSettings, TrainSettings, flag_of, shown
from decamo.settings.network_names import is_code
from decamo.settings.plain import SECTIONS, from_plain, merged, section_of, to_plain

__all__ = [
    "BLANKS", "Change", "Order", "adoption", "evaluation", "fresh_run", "pasteable", "race",
    "resumed",
]  # fmt: skip

DATASET, FOLDER = "PATH_TO_DATASET", "PATH_TO_CHECKPOINTS"
CHECKPOINT, NETWORK, LOG = "CHECKPOINT", "FILE.py:FUNCTION", "LOG"
BLANKS = (DATASET, FOLDER, CHECKPOINT, NETWORK, LOG)
"""Words in a command that a person must fill in."""

# The order of the action plan's own command lines; other flags follow.
_ORDER = (
    "dataset_path", "checkpoint_dir", "resume_from", "skip_stage1", "backbone", "num_experts",
    "batch_size", "stage2_batch_size", "accumulation_steps", "img_size", "epochs", "stage1_epochs",
    "lr", "stage2_lr", "scheduler", "min_lr", "warmup_epochs", "progressive_unfreeze",
    "deep_supervision", "num_workers",
)  # fmt: skip
# Given even where they do not change: a branch takes them up again.
_TOLD = ("stage2_lr",)
_OF_THE_PLACE = ("resume_from", "resume", "budget", "checkpoint_dir", "reset_moments")


@dataclass(frozen=True)
class Change:
    """One flag that a remedy gives.

    Attributes:
        name: of the option, such as ``stage2_lr``.
        value: what it becomes.
        why: one sentence for people.
    """

    name: str
    value: Any
    why: str

    @property
    def flag(self) -> str:
        """As it is typed, value included."""
        return " ".join(_flag(self.name, self.value))


@dataclass(frozen=True)
class Order:
    """A command.

    Attributes:
        words: as the shell splits them; the first is ``decamo``.
        changes: those in force, mended where they contradicted the rest, explained.
        schedule: that the run will follow; None where the command does not train, or where its
            end is not known.
        start: epochs behind it when it sets out.
    """

    words: tuple[str, ...]
    changes: tuple[Change, ...]
    schedule: ScheduleSettings | None = None
    start: int = 0

    @property
    def blanks(self) -> tuple[str, ...]:
        """What a person must fill in."""
        return tuple(b for b in BLANKS if any(_fills(b, word) for word in self.words))


def _fills(blank: str, word: str) -> bool:
    return blank == word or (blank in (DATASET, FOLDER) and blank in word)


def resumed(
    standing: RunState, changes: Sequence[Change], *, newest: bool = False, anew: bool = False
) -> Order:
    """Go on from a checkpoint under changed flags.

    The checkpoint holds the settings, and only what differs is given. Where they are not known,
    it is the action plan's own command line, option 1 with the changes; but from the newest
    weights, where the run's flags are to stay as they are, again only what differs.

    Args:
        standing: of the run.
        changes: flags to give.
        newest: go on from the newest weights, not from the best.
        anew: a new curve must begin, even where its peak and floor are those of the old one.
    """
    if standing.origin == Origin.FOREIGN:
        return _of_adopted(standing, changes)
    known = standing.settings is not None
    start = standing.best_epoch if known and not newest else standing.epoch
    if standing.settings is None and not newest:
        base = merged(RECIPES["conservative"])
        mended = _mended(from_plain(base).schedule, changes, start)
        values = {k: v for section in base.values() for k, v in section.items()}
        values |= {c.name: c.value for c in mended}
        where = standing.checkpoint or f"{FOLDER}/best_model.pth"
        folder = str(PurePath(where).parent) if standing.checkpoint else FOLDER
        place = {"dataset_path": [DATASET], "checkpoint_dir": folder, "resume_from": where}
        schedule = _schedule(from_plain(base).schedule, mended)
        return Order(("decamo", "train", *_flags(place | values)), mended, schedule, start)
    file = (standing.latest if newest else "") or standing.checkpoint
    if newest and not standing.latest and standing.checkpoint:
        start = standing.best_epoch
    old = standing.settings or _assumed(standing)
    mended = _mended(old.schedule, changes, start)
    if known and anew and not any(_differs(old, c) for c in mended if c.name != "epochs"):
        warm = Change("warmup_epochs", old.schedule.warmup_epochs + 1, "begins a new curve here")
        mended = _mended(old.schedule, [*mended, warm], start)
    if known:
        mended = tuple(c for c in mended if c.name in _TOLD or _differs(old, c))
    values = {c.name: c.value for c in mended}
    where = file or f"{FOLDER}/{'last' if newest else 'best_model'}.pth"
    again = _network_of(standing)
    words = ("decamo", "train", *_flags({"resume_from": where} | values | again))
    told = known or standing.planned_end is not None or "epochs" in values
    return Order(words, mended, _schedule(old.schedule, mended) if told else None, start)


def _of_adopted(standing: RunState, changes: Sequence[Change]) -> Order:
    """The adopted run carries its own flags: only the changes are given.

    Which epoch the weights are of stands in their file, not in the log: epochs are counted from the
    last one logged.
    """
    start = standing.epoch
    old = _assumed(standing).schedule
    mended = _mended(old, changes, start)
    values = {c.name: c.value for c in mended}
    place = {"resume_from": standing.checkpoint, "dataset_path": [DATASET], **_network_again()}
    told = standing.planned_end is not None or "epochs" in values
    schedule = _schedule(old, mended) if told else None
    return Order(("decamo", "train", *_flags(place | values)), mended, schedule, start)


def _network_of(standing: RunState) -> dict[str, Any]:
    """The run's network, where it comes from a file."""
    network = standing.settings.model.network if standing.settings else ""
    return {"network": network} if is_code(network) else {}


def _network_again() -> dict[str, Any]:
    """A checkpoint brings no code: a network from a file is named each time."""
    return {"network": NETWORK} if any(f.name == "network" for f in fields(ModelSettings)) else {}


def adoption(standing: RunState) -> Order:
    """What makes another program's checkpoint a run of this one."""
    words = ["decamo", "adopt", standing.adopted or CHECKPOINT, "--network", NETWORK]
    words += ["--log", standing.log or LOG]
    return Order((*words, "--out", str(PurePath(ADOPTED).parent)), ())


def race(standing: RunState) -> Order:
    """Short trials of several ways on, from the same weights."""
    words = ("decamo", "escape", standing.checkpoint, "--dataset-path", DATASET)
    return Order((*words, *_flags(_network_again())), ())


def fresh_run(standing: RunState, changes: Sequence[Change], suffix: str) -> Order:
    """Start anew with another network; its folder is the old one's name with ``suffix``."""
    old = standing.settings or from_plain(RECIPES["conservative"])
    folder = str(PurePath(standing.checkpoint).parent) if standing.checkpoint else FOLDER
    frozen = 30 if old.schedule.skip_stage1 else old.schedule.stage1_epochs
    new_values: dict[str, Any] = {
        "skip_stage1": False,  # a new head must not shake the backbone
        "stage1_epochs": frozen,
        "epochs": max(old.schedule.epochs, frozen + old.schedule.warmup_epochs + 1),
        "lr": max(old.schedule.lr, old.schedule.min_lr),
        "backbone_weights": None,  # of the old backbone, as are the next two
        "input_mean": None,
        "input_std": None,
    }
    plain = merged(to_plain(old), _nested(new_values), _nested({c.name: c.value for c in changes}))
    new = from_plain(plain)
    default = TrainSettings()
    values: dict[str, Any] = {
        "dataset_path": [str(p) for p in old.data.dataset_path] or [DATASET],
        "checkpoint_dir": f"{folder}-{suffix}",
    }
    for section in SECTIONS:
        ours, theirs = getattr(new, section), getattr(default, section)
        for f in fields(ours):
            value = getattr(ours, f.name)
            if f.name not in (*_OF_THE_PLACE, "dataset_path") and value != getattr(theirs, f.name):
                values[f.name] = value
    return Order(("decamo", "train", *_flags(values)), tuple(changes), new.schedule, 0)


def evaluation(standing: RunState) -> Order:
    """Score the best weights on the test images."""
    paths = standing.settings.data.dataset_path if standing.settings else ()
    sets = [str(p) for p in paths] or [DATASET]
    file = standing.checkpoint or f"{FOLDER}/best_model.pth"
    network = _flags(_network_of(standing))
    return Order(("decamo", "evaluate", file, "--dataset-path", *sets, *network), ())


def pasteable(words: Sequence[str]) -> str:
    """As a shell takes it, one flag a line with backslashes where it is long."""
    lines: list[list[str]] = [[]]
    for word in words:
        if word.startswith("--") and not _number(word):
            lines.append([])
        lines[-1].append(shlex.quote(word))
    joined = [" ".join(line) for line in lines]
    return " ".join(joined) if len(joined) <= 3 else " \\\n    ".join(joined)


def _assumed(standing: RunState) -> TrainSettings:
    """Option 1 up to the end that the log tells, where it does."""
    option = from_plain(RECIPES["conservative"])
    if standing.planned_end is None:
        return option
    return replace(option, schedule=replace(option.schedule, epochs=max(standing.planned_end, 1)))


def _mended(old: ScheduleSettings, changes: Sequence[Change], start: int) -> tuple[Change, ...]:
    """The changes, with what they would contradict brought along."""
    given = {c.name: c for c in changes}
    values = vars(old) | {n: c.value for n, c in given.items() if n in vars(old)}

    def settle(name: str, value: Any, why: str) -> None:
        if values[name] != value:
            values[name] = value
            given[name] = Change(name, value, given[name].why if name in given else why)

    if "stage2_lr" in given and start < values["stage1_epochs"]:
        settle("skip_stage1", True, "the new rate is that of stage 2, so it begins now")
    frozen = 0 if values["skip_stage1"] else values["stage1_epochs"]
    least = max(start, frozen) + 1
    if values["epochs"] + values["stage3_epochs"] <= start or values["epochs"] <= frozen:
        settle("epochs", least, "there must be an epoch left to train")
    room = values["epochs"] - max(start, frozen)
    if 0 < start < frozen:
        room = min(room if room > 0 else least, frozen - start)
    if values["warmup_epochs"] and values["warmup_epochs"] >= room:
        settle("warmup_epochs", max(room - 1, 0), "a warm-up must be shorter than what is left")
    peaks = [values["stage2_lr"]] * (values["scheduler"] != "none")
    peaks += [values["lr"]] * (frozen > 0 and values["stage1_scheduler"] != "none")
    if peaks and values["min_lr"] > min(peaks):
        settle("min_lr", rounded(min(peaks) / 20), "the floor must lie under the new rate")
    if values["schedule_origin"] != "resume" and {"stage2_lr", "scheduler"} & set(given):
        settle("schedule_origin", "resume", "the new curve begins here, at its peak")
    return tuple(given.values())


def _schedule(old: ScheduleSettings, changes: Sequence[Change]) -> ScheduleSettings:
    return replace(old, **{c.name: c.value for c in changes if hasattr(old, c.name)})


def _differs(old: TrainSettings, change: Change) -> bool:
    now: Any = getattr(getattr(old, section_of(change.name)), change.name)
    return bool(now != change.value)


def _nested(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    nested: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        nested.setdefault(section_of(name), {})[name] = value
    return nested


def _flags(values: Mapping[str, Any]) -> list[str]:
    known = [n for n in _ORDER if n in values]
    rest = [n for n in values if n not in _ORDER]
    return [word for name in (*known, *rest) for word in _flag(name, values[name])]


def _flag(name: str, value: Any) -> list[str]:
    flag = flag_of(name)
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    if isinstance(value, list | tuple):
        return [flag, *(shown(v) for v in value)]
    return [flag, shown(value)]


def _number(word: str) -> bool:
    return word[2:3].isdigit()
