"""Ways off a plateau: the action plan's three options, probes for causes, a user's own."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from decamo.errors import SettingsError
from decamo.races.start_point import StartPoint
from decamo.recipes import RECIPES
from decamo.settings import ScheduleSettings, flag_of, shown
from decamo.settings.network_names import OWN_NETWORK, is_code
from decamo.settings.plain import SECTIONS, kinds, section_of
from decamo.system import file_name
from decamo.training.choosing import read_config

__all__ = [
    "BEFORE",
    "CONTROL",
    "TRANSPLANT",
    "TWIN",
    "Branch",
    "branches_of",
    "only",
    "standard_branches",
]

CONTROL = "control"
TWIN = "twin"
BEFORE = ("", "forget moments", "average", "batchnorm")
TRANSPLANT = "transplant"
_FRESH_RATE = 1e-3  # of experts and decoder that know nothing yet; the backbone a tenth

# What makes the shape of stage 2's curve; a branch that names none of them keeps the rates.
_OF_THE_RATE = frozenset(
    {"stage2_lr", "scheduler", "min_lr", "warmup_epochs", "t_mult", "cycles", "schedule_origin"}
)
# The micro-batch is what the device holds, not a way off a plateau.
_OF_THE_DEVICE = frozenset({"batch_size", "stage2_batch_size"})
_OPTIONS = {
    "conservative": "does the action plan's option 1 help?",
    "aggressive": "does its option 2?",
    "resolution": "does its option 3?",
}
# Times the present rate: what is less was within reach of rate-x10.
_FARTHER = 15.0
_GRID = 32  # px; every backbone's stride divides it


@dataclass(frozen=True)
class Branch:
    """One way to go on from the checkpoint.

    Attributes:
        name: also of its folder.
        asks: the question that it answers, for people.
        changes: settings that differ from the checkpoint's, by section.
        before: what is done to the checkpoint first: one of :data:`BEFORE`, or
            :data:`TRANSPLANT`.
    """

    name: str
    asks: str
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    before: str = ""

    @property
    def keeps_rate(self) -> bool:
        """Whether it leaves the learning rates as the checkpoint's own plan has them."""
        return not _OF_THE_RATE & self.changes.get("schedule", {}).keys()

    def to_plain(self) -> dict[str, Any]:
        """Plain values, by which a race is recognised."""
        changes = {section: dict(values) for section, values in self.changes.items()}
        return {"name": self.name, "asks": self.asks, "changes": changes, "before": self.before}


def standard_branches(start: StartPoint) -> tuple[Branch, ...]:
    """The control and its twin, options 1 to 3, and the probes that make sense here.

    The twin is the control under another seed: how far the two come apart is what chance alone
    moves, and no branch that moves less has shown anything.
    """
    settings = start.settings
    other_seed = (settings.run.seed + 1) % 2**63
    branches = [
        Branch(CONTROL, "what if nothing is changed?"),
        Branch(TWIN, "what does chance alone move?", {"run": {"seed": other_seed}}),
        *(_option(name, asks) for name, asks in _OPTIONS.items()),
        *_rates(start),
        _larger(settings.schedule),
        Branch("moments", "are Adam's moments stale?", before="forget moments"),
        Branch(
            "batch-x2",
            "is the gradient too noisy?",
            {"schedule": {"accumulation_steps": 2 * settings.schedule.accumulation_steps}},
        ),
    ]
    if not settings.optimise.deep_supervision:
        asks = "do the lower levels lack supervision?"
        changes = {"optimise": {"deep_supervision": True}}
        branches.append(Branch("deep-supervision", asks, changes))
    if start.snapshots > 1:
        asks = f"do the weights only jitter? (mean of {start.snapshots} checkpoints)"
        branches.append(Branch("average", asks, before="average"))
    if start.batchnorm:
        asks = "do BatchNorm's statistics misfit?"
        branches.append(Branch("batchnorm", asks, before="batchnorm"))
    if start.transplant:
        branches.append(_transplant(start))
    return tuple(branches)


def _transplant(start: StartPoint) -> Branch:
    """Our own network on the same backbone; it follows the maps of the one that is raced.

    A trial is too short for a stage in which the backbone is frozen: it learns from the first step
    on, at a tenth of the rate.
    """
    model, size = start.settings.model, start.settings.schedule.img_size
    schedule = {
        "stage2_lr": _FRESH_RATE, "scheduler": "cosine", "min_lr": _FRESH_RATE / 100,
        "warmup_epochs": 0, "cycles": 1, "backbone_lr_ratio": 0.1,
        "img_size": max(round(size / _GRID), 1) * _GRID,
    }  # fmt: skip
    return Branch(
        TRANSPLANT,
        f"would decamo's own network do better on its backbone? ({start.transplant})",
        {
            "model": {"network": OWN_NETWORK, "backbone": start.transplant, "output": "",
                      "backbone_prefix": ""},
            "schedule": schedule,
            "optimise": {
                "teacher": str(start.settings.run.resume_from),
                "teacher_network": model.network if is_code(model.network) else "",
            },
        },
        before=TRANSPLANT,
    )  # fmt: skip


def _option(name: str, asks: str) -> Branch:
    """A recipe without the network, the data and the micro-batch, which stay the checkpoint's."""
    recipe = RECIPES[name]
    schedule = {k: v for k, v in recipe["schedule"].items() if k not in _OF_THE_DEVICE}
    return Branch(name, asks, {"schedule": schedule, "optimise": recipe["optimise"]})


def _rates(start: StartPoint) -> tuple[Branch, ...]:
    """Rates from high to low; but for the last, their curves differ in height alone."""
    rate, highest = start.rate, start.highest
    floor = min(start.settings.schedule.min_lr, rate / 10)
    asks = "does the rate at which it once learned do it again?"
    before = _rate("rate-before", asks, "cosine", highest, floor)
    return (
        *([before] if highest > _FARTHER * rate else []),
        _rate("rate-x10", "is the learning rate far too low?", "cosine", 10 * rate, floor),
        _rate("rate-x3", "is the learning rate too low?", "cosine", 3 * rate, floor),
        _rate("anneal", "does the rate only have to fall?", "cosine", rate, floor),
        _rate("rate-tenth", "is it too high?", "none", rate / 10, floor),
    )


def _rate(name: str, asks: str, scheduler: str, peak: float, floor: float) -> Branch:
    peak = float(f"{peak:.6g}")
    schedule = {"scheduler": scheduler, "stage2_lr": peak, "min_lr": min(floor, peak)}
    return Branch(
        name, f"{asks} ({shown(peak)})", {"schedule": schedule | {"warmup_epochs": 0, "cycles": 1}}
    )


def _larger(schedule: ScheduleSettings) -> Branch:
    size = max(round(1.25 * schedule.img_size / _GRID), schedule.img_size // _GRID + 1) * _GRID
    asks = f"are details too small? ({size} px)"
    return Branch("larger", asks, {"schedule": {"img_size": size}})


_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_TAKEN = re.compile(rf"{CONTROL}|{TWIN}|race|outcome|epoch-\d+")  # by what lies there already
_MAY_DIFFER = ("schedule", "optimise")  # on the same data and network
_OWN = ("before", "asks")


def branches_of(path: Path) -> tuple[Branch, ...]:
    """The branches of a file such as::

        [branch.high]
        asks = "is 0.0004 enough?"
        stage2_lr = 0.0004
        scheduler = "cosine"

        [branch.fresh]
        before = "forget moments"
        schedule = { warmup_epochs = 1 }

    Options have the names of ``config.toml``, flat or by section; of ``schedule`` and ``optimise``
    only, because a race compares on the same data and network.

    Raises:
        SettingsError: the file cannot be read, or a line of it cannot be meant.
    """
    whole = read_config(path)
    tables = whole.get("branch")
    if not isinstance(tables, Mapping) or not tables or len(whole) > 1:
        other = next((key for key in whole if key != "branch"), "no [branch.NAME]")
        raise SettingsError(path, f"it holds {other}", "write each branch as [branch.NAME]")
    return tuple(_branch(name, table) for name, table in tables.items())


def only(branches: Sequence[Branch], names: Sequence[str]) -> tuple[Branch, ...]:
    """The branches named, beside the control and its twin, in their own order.

    Raises:
        SettingsError: there is no branch of a name.
    """
    known = [b.name for b in branches]
    if unknown := [n for n in names if n not in known]:
        raise SettingsError("--only", f"got {unknown[0]!r}", _nearest(unknown[0], known))
    return tuple(b for b in branches if b.name in (CONTROL, TWIN, *names))


def _branch(name: str, table: Any) -> Branch:
    where = f"[branch.{name}]"
    if not _NAME.fullmatch(name) or _TAKEN.fullmatch(name) or file_name(name) != name:
        remedy = f"use small letters, digits, - and _, and not {CONTROL} or {TWIN}"
        raise SettingsError(where, "it names a folder", remedy)
    if not isinstance(table, Mapping):
        raise SettingsError(where, f"got {table!r}", "give options, each on its line")
    before = table.get("before", "")
    if before not in BEFORE:
        known = ", ".join(repr(b) for b in BEFORE[1:])
        raise SettingsError(f"{where} before", f"got {before!r}", f"choose from {known}")
    changes: dict[str, dict[str, Any]] = {}
    for section, key, value in _options(table):
        changes.setdefault(section, {})[key] = _checked(where, section, key, value)
    if not changes and not before:
        raise SettingsError(where, "it changes nothing", "give an option; the control is there")
    words = [f"{flag_of(k)} {v}" for values in changes.values() for k, v in values.items()]
    asks = table.get("asks") or ", ".join([before, *words] if before else words)
    return Branch(name, str(asks), changes, before)


def _options(table: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """(section, or empty where it is not said; key; value)."""
    found: list[tuple[str, str, Any]] = []
    for key, value in table.items():
        if key in _OWN:
            continue
        if isinstance(value, Mapping):
            found += [(key, inner, v) for inner, v in value.items()]
        else:
            found.append((_home(key), key, value))
    return found


def _home(key: str) -> str:
    try:
        return section_of(key)
    except KeyError:
        return ""


def _checked(where: str, section: str, key: str, value: Any) -> Any:
    known = [k for s in _MAY_DIFFER for k in kinds(SECTIONS[s])]
    if section in SECTIONS and section not in _MAY_DIFFER and key in kinds(SECTIONS[section]):
        got = f"{key} is of [{section}]"
        remedy = "leave it out: branches are compared on the same data and network"
        raise SettingsError(where, got, remedy)
    if section not in _MAY_DIFFER or key not in kinds(SECTIONS[section]):
        raise SettingsError(where, f"no such option as {key}", _nearest(key, known))
    try:
        return kinds(SECTIONS[section])[key].convert(key, value)
    except SettingsError as error:
        raise SettingsError(f"{where} {key}", error.got, error.remedy) from error


def _nearest(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(close)}?" if close else f"choose from {', '.join(known)}"
