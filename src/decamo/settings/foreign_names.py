"""What other programs call our options, where they mean the same."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from decamo.errors import SettingsError
from decamo.settings.plain import SECTIONS, kinds

__all__ = ["NamedElsewhere", "options_named_elsewhere"]

# Ours first. A name is here only if programs that use it mean one thing by it.
_NAMES: dict[str, tuple[str, ...]] = {
    "img_size": ("img_size", "image_size", "input_size", "trainsize", "train_size", "imgsz"),
    "batch_size": ("batch_size", "batchsize", "train_batch_size"),
    "accumulation_steps": (
        "accumulation_steps",
        "accum_iter",
        "accumulate_grad_batches",
        "gradient_accumulation_steps",
        "grad_accum",
    ),
    "epochs": (
        "epochs",
        "num_epochs",
        "max_epochs",
        "n_epochs",
        "total_epochs",
        "epoch",
        "max_epoch",
        "epoch_num",
    ),
    "stage1_epochs": ("stage1_epochs",),
    "lr": ("lr", "learning_rate", "base_lr"),
    "stage2_lr": ("stage2_lr",),
    "min_lr": ("min_lr", "eta_min", "lr_min"),
    "weight_decay": ("weight_decay", "wd"),
    "seed": ("seed", "random_seed"),
    "num_experts": ("num_experts",),
    "backbone": ("backbone",),
}

# Of other options, what would refuse a small value by its default.
_BESIDE: dict[str, dict[str, Any]] = {
    "lr": {"min_lr": 0.0},
    "stage2_lr": {"min_lr": 0.0},
    "epochs": {"skip_stage1": True},
}


@dataclass(frozen=True)
class NamedElsewhere:
    """An option of ours under another program's name.

    Attributes:
        section: of our option.
        name: of our option.
        theirs: the other program's name.
        value: as our option takes it.
    """

    section: str
    name: str
    theirs: str
    value: Any


def options_named_elsewhere(settings: Mapping[str, Any]) -> list[NamedElsewhere]:
    """Another program's settings as our options.

    What has no counterpart, or a value that our option does not take, is left out; so is a stage 1
    that is not shorter than the epochs beside it, since the two then count in different ways.

    Args:
        settings: by the other program's names.
    """
    folded = {str(name).lower().replace("-", "_"): name for name in settings}
    found: list[NamedElsewhere] = []
    for section, cls in SECTIONS.items():
        known = kinds(cls)
        for field in fields(cls):
            names = (folded[name] for name in _NAMES.get(field.name, ()) if name in folded)
            if (theirs := next(names, None)) is None or isinstance(settings[theirs], bool):
                continue
            try:
                value = known[field.name].convert(field.name, settings[theirs])
                planned = {one.name: one.value for one in found if one.name == "epochs"}
                planned = planned if field.name == "stage1_epochs" else {}
                cls(**planned | _BESIDE.get(field.name, {}) | {field.name: value})
            except SettingsError:
                continue
            found.append(NamedElsewhere(section, field.name, theirs, value))
    return found
