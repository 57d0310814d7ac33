"""Named settings, plain values as in a config file: the action plan's options 1 to 3, the demo.

Options 1 to 3 keep the numbers of the action plan that this project grew from; a recipe holds
all of an option's flags but its paths. The demo's numbers are measured: see ``make demo``.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["RECIPES"]

Plain = Mapping[str, Mapping[str, Any]]

_CONSERVATIVE: Plain = {
    "data": {"num_workers": 4},
    "model": {"backbone": "edgenext_base", "num_experts": 7},
    "schedule": {
        "skip_stage1": True,
        "batch_size": 2,
        "stage2_batch_size": 1,
        "accumulation_steps": 4,
        "img_size": 384,
        "epochs": 120,
        "stage1_epochs": 30,
        "lr": 0.00025,
        "stage2_lr": 0.0002,
        "scheduler": "cosine",
        "min_lr": 0.00001,
        "progressive_unfreeze": True,
    },
    "optimise": {"deep_supervision": True},
}


def _changed(base: Plain, **schedule: Any) -> Plain:
    return {**base, "schedule": {**base["schedule"], **schedule}}


_AGGRESSIVE = _changed(_CONSERVATIVE, epochs=150, stage2_lr=0.0003, min_lr=0.00002)

RECIPES: Mapping[str, Plain] = {
    "conservative": _CONSERVATIVE,
    "aggressive": _AGGRESSIVE,
    "resolution": _changed(_AGGRESSIVE, img_size=416, warmup_epochs=3),
    "demo": {
        "data": {"num_workers": 0, "val_fraction": 0.35},
        "model": {"backbone": "mobilenetv2_035", "num_experts": 7, "pretrained": False},
        "schedule": {
            "epochs": 12,
            "stage1_epochs": 1,
            "batch_size": 8,
            "accumulation_steps": 1,
            "img_size": 64,
            "lr": 0.003,
            "stage2_lr": 0.003,
            "backbone_lr_ratio": 1.0,
            "warmup_epochs": 1,
        },
        "optimise": {"deep_supervision": True},
    },
}
