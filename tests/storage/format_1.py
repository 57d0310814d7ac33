"""A run as format 1 has it, written out in full so that no later change of the code alters it.

``python -m tests.storage.format_1`` wrote ``format-1.pth``; the file in the repository is not to
be written again, for what counts is that this very file is read for ever.
"""

import io
import struct
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

FILE = Path(__file__).with_name("format-1.pth")


def state_of_format_1() -> dict[str, Any]:
    """Two epochs of a tiny run; a network of two tiny layers stands for the real one."""
    values = torch.arange(6.0).reshape(2, 3)
    return {
        "format": 1,
        "decamo": "0.1.0",
        "architecture": {
            "backbone": "mobilenetv2_035",
            "num_experts": 3,
            "width": 64,
            "input_mean": [0.485, 0.456, 0.406],
            "input_std": [0.229, 0.224, 0.225],
        },
        "settings": _settings(),
        "model": {"head.weight": values, "head.bias": values[0], "count": torch.tensor(7)},
        "ema": {
            "weights": {
                "head.weight": values / 2,
                "head.bias": values[1],
                "count": torch.tensor(7),
            },
            "updates": 6,
        },
        "optimiser": {
            "head.weight": {
                "step": torch.tensor(6.0),
                "exp_avg": values / 10,
                "exp_avg_sq": values / 100,
            }
        },
        "scaler": {
            "scale": 65536.0,
            "growth_factor": 2.0,
            "backoff_factor": 0.5,
            "growth_interval": 2000,
            "_growth_tracker": 6,
        },
        "generators": {"cpu": torch.Generator().manual_seed(3).get_state(), "cuda": []},
        "ledger": [
            {
                "word": "start",
                "at_epoch": 0,
                "at_step": 0,
                "origin_epoch": 0,
                "origin_step": 0,
                "schedule": _settings()["schedule"],
                "images": 11,
                "world": 1,
                "levels": 4,
                "opened": [],
                "reason": "",
            }
        ],
        "position": {"epoch": 2, "step": 6, "micro": 0},
        "sums": {"images": 0, "parts": {}, "seconds": 0.0},
        "history": [_record(1, 0.21, 2), _record(2, 0.34, 6)],
        "best": {"iou": 0.34, "epoch": 2, "images": "0123456789abcdef"},
        "bad_steps": 0,
    }


def _record(epoch: int, iou: float, step: int) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "stage": epoch,
        "step": step,
        "loss": 1.25,
        "parts": {"bce": 0.75, "iou": 0.5},
        "iou": iou,
        "dice": 0.5,
        "mae": 0.125,
        "lr": {"head": 0.003, "backbone.0": 0.0},
        "train_seconds": 1.5,
        "val_seconds": 0.5,
        "img_size": 32,
        "usage": [0.25, 0.5, 0.25],
    }


def _settings() -> dict[str, dict[str, Any]]:
    return {
        "data": {
            "dataset_path": ["data/scenes"],
            "noncam": "drop",
            "val_fraction": 0.2,
            "num_workers": 0,
        },
        "model": {
            "backbone": "mobilenetv2_035",
            "num_experts": 3,
            "pretrained": False,
            "backbone_weights": None,
            "input_mean": None,
            "input_std": None,
            "gradient_checkpointing": False,
        },
        "schedule": {
            "epochs": 4,
            "stage1_epochs": 1,
            "skip_stage1": False,
            "lr": 0.003,
            "stage2_lr": 0.002,
            "backbone_lr_ratio": 0.1,
            "stage1_scheduler": "onecycle",
            "scheduler": "cosine",
            "min_lr": 1e-05,
            "warmup_epochs": 0,
            "t_mult": 2.0,
            "cycles": 3,
            "progressive_unfreeze": True,
            "schedule_origin": "resume",
            "stage3_epochs": 0,
            "stage3_lr": 1e-05,
            "stage3_img_size": None,
            "img_size": 32,
            "batch_size": 2,
            "stage2_batch_size": 1,
            "accumulation_steps": 3,
        },
        "optimise": {
            "deep_supervision": True,
            "weight_decay": 0.01,
            "clip_grad": 1.0,
            "use_ema": True,
            "ema_decay": 0.999,
            "reset_moments": False,
        },
        "run": {
            "checkpoint_dir": "runs/tiny",
            "resume_from": None,
            "device": "cpu",
            "precision": "auto",
            "seed": 0,
        },
    }


def sealed_1(state: object) -> bytes:
    """The bytes of a file of format 1, by the rule of its time."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return seal_1(buffer.getvalue())


def seal_1(archive: bytes) -> bytes:
    """An archive, or anything else that ends in two zero bytes, with the seal of format 1."""
    name = b"decamo-checkpoint-1 "
    head = archive[:-2] + struct.pack("<H", len(name) + 64) + name
    return head + sha256(head).hexdigest().encode()


if __name__ == "__main__":
    FILE.write_bytes(sealed_1(state_of_format_1()))
