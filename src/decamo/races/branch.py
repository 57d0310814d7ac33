"""Ways off a plateau: the seed's three options, and probes that tell the causes apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from decamo.races.start_point import StartPoint
from decamo.recipes import RECIPES
from decamo.settings import ScheduleSettings, shown

__all__ = ["BEFORE", "CONTROL", "TWIN", "Branch", "standard_branches"]

CONTROL = "control"
TWIN = "twin"
BEFORE = ("", "forget moments", "average", "batchnorm")

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
        before: what is done to the checkpoint first: one of :data:`BEFORE`.
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
    return tuple(branches)


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
