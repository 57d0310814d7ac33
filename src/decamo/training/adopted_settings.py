"""Settings of a run that another program began: the file's where they mean the same here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from decamo.history.training_log import Point
from decamo.nn.weights import named
from decamo.settings import TrainSettings, flag_of
from decamo.settings.foreign_names import options_named_elsewhere
from decamo.settings.network_names import OWN_NETWORK
from decamo.settings.plain import from_plain, merged
from decamo.storage.foreign_file import ForeignCheckpoint
from decamo.training.choosing import Given

__all__ = ["adopted_settings"]

_HIGHEST = 10.0  # learning rate that a setting may have


def adopted_settings(
    given: Given, foreign: ForeignCheckpoint, out: Path, done: int, points: Sequence[Point] = ()
) -> tuple[TrainSettings, list[str]]:
    """The file's settings that mean the same here, under those given.

    The learning rates are those in force: of the optimizer's groups, else of the log's last epoch,
    else of the settings. They stay, or follow the cosine that the file has.

    Args:
        given: options that the user gave; they win.
        foreign: the file.
        out: the run folder.
        done: epochs completed.
        points: of the log, if there is one.

    Returns:
        the settings, and lines on where they come from.

    Raises:
        SettingsError: what is given cannot be meant.
    """
    upper = merged(given)
    is_own = upper.get("model", {}).get("network", OWN_NETWORK) == OWN_NETWORK
    taken = [
        one
        for one in options_named_elsewhere(foreign.settings)
        if one.section != "model" or is_own  # else its parts are the network's own business
    ]
    theirs: dict[str, dict[str, Any]] = {"run": {"checkpoint_dir": str(out)}, "schedule": {}}
    for one in taken:
        theirs.setdefault(one.section, {})[one.name] = one.value
    schedule = theirs["schedule"]
    rates, how = _rates(foreign, done, points)
    schedule |= rates
    if "lr" in schedule:
        schedule.setdefault("stage2_lr", schedule["lr"])
    if "batch_size" in schedule:  # its batch made a step, where it says nothing of several
        schedule.setdefault("accumulation_steps", 1)
    if "stage1_epochs" not in schedule:  # it trained all of its network from the first step on
        schedule["skip_stage1"] = True
    if foreign.average is not None:
        theirs.setdefault("optimise", {})["use_ema"] = True
    both = merged(theirs, upper)
    both["run"]["checkpoint_dir"] = str(out)
    epochs = both["schedule"].get("epochs", TrainSettings().schedule.epochs)
    both["schedule"]["epochs"] = max(int(epochs), done, 1)
    shown = " ".join(f"{flag_of(one.name)} {one.value}" for one in taken)
    notes = [f"settings taken over from the file: {shown}"] if taken else []
    used = {one.theirs for one in taken}
    if passed := [name for name in foreign.settings if name not in used]:
        notes.append(f"settings of the file without a counterpart here: {named(passed)}")
    return from_plain(both), [*notes, how] if how else notes


def _rates(
    foreign: ForeignCheckpoint, done: int, points: Sequence[Point]
) -> tuple[dict[str, Any], str]:
    """Learning rates in force, how they go on, and a line about that; empty where unknown."""
    state = foreign.optimizers[0] if foreign.optimizers else {}
    groups = [g for g in state.get("param_groups", ()) if isinstance(g, Mapping)]
    rates = sorted(_possible([g.get("lr") for g in groups]))
    logged = [rate for p in points if p.epoch <= done and (rate := p.known("lr"))]
    if rates:
        now, ratio = rates[-1], rates[0] / rates[-1]
    elif logged:
        now, ratio = logged[-1], None
    else:
        return {}, ""
    found: dict[str, Any] = {"stage2_lr": now, "min_lr": min(now, 1e-5), "scheduler": "none"}
    if ratio is not None:
        found["backbone_lr_ratio"] = ratio
    where = "its optimizer" if rates else "the log"
    if foreign.cosine is not None and done < foreign.cosine.epochs and foreign.cosine.falls:
        curve = foreign.cosine
        found |= {"scheduler": "cosine", "stage2_lr": curve.peak, "min_lr": curve.floor}
        found |= {"epochs": curve.epochs}
        return found, (
            f"learning rate: {now:g} in {where}, on a cosine from {curve.peak:g} to"
            f" {curve.floor:g} over {curve.epochs} epochs"
        )
    parts = f" (the lowest group {ratio:g} of that)" if ratio not in (None, 1.0) else ""
    return found, f"learning rate: {now:g} as in {where}{parts}, held constant from here on"


def _possible(values: Sequence[Any]) -> list[float]:
    return [float(v) for v in values if isinstance(v, int | float) and 0 < v < _HIGHEST]
