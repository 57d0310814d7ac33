"""Checkpoints as other trainers of this field write them, around one small network."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

SOURCE = '''\
"""A network of somebody else's: one convolution after another, logits at half the size."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU())
                for a, b in ((3, 8), (8, 12), (12, 16), (16, 20))
            )
        )
        self.head = nn.Sequential(nn.Conv2d(20, 8, 1), nn.ReLU(), nn.Conv2d(8, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits = self.head(self.encoder(image))
        return nn.functional.interpolate(logits, image.shape[-2:], mode="bilinear")


def build() -> nn.Module:
    return Net()
'''


def network_file(folder: Path) -> Path:
    """The network's source, in a folder."""
    file = folder / "their_net.py"
    file.write_text(SOURCE)
    return file


def network() -> nn.Module:
    """The network itself, its weights of a seed."""
    scope: dict[str, Any] = {}
    exec(compile(SOURCE, "their_net.py", "exec"), scope)
    torch.manual_seed(0)
    made: nn.Module = scope["build"]()
    return made


def trained_a_step(net: nn.Module, *groups: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Adam over groups of a network's parameters, after one step."""
    optimizer = torch.optim.AdamW([{"params": group} for group in groups], lr=1e-3)
    net(torch.rand(2, 3, 64, 64)).mean().backward()
    optimizer.step()
    return optimizer


def forms(net: nn.Module) -> dict[str, Any]:
    """What programs write of a network after 86 epochs, by a name for each form."""
    weights = net.state_dict()
    parts = list(net.encoder.parameters()), list(net.head.parameters())  # type: ignore[union-attr]
    optimizer = trained_a_step(net, *parts).state_dict()
    args = {"img_size": 64, "batch_size": 4, "epochs": 100, "lr": 2.5e-4, "num_experts": 7}
    return {
        "numpy_scalar": {
            "epoch": 85,
            "model_state_dict": weights,
            "ema_state_dict": None,
            "best_iou": np.float64(0.6221),
            "args": args,
        },
        "bare": weights,
        "data_parallel": {f"module.{k}": v for k, v in weights.items()},
        "compiled": {f"_orig_mod.{k}": v for k, v in weights.items()},
        "compiled_part": {
            k.replace("encoder.", "encoder._orig_mod."): v for k, v in weights.items()
        },
        "wrapped_twice": {"net": {f"module.model.{k}": v for k, v in weights.items()}, "epoch": 85},
        "lightning": {
            "state_dict": {f"net.{k}": v for k, v in weights.items()},
            "epoch": 85,
            "global_step": 8600,
            "optimizer_states": [optimizer],
            "hyper_parameters": {"learning_rate": 2.5e-4, "max_epochs": 100},
        },
        "with_optimizer": {"epoch": 85, "model": weights, "optimizer": optimizer, "best": 0.6221},
        "with_average": {
            "start_epoch": 86,
            "model": weights,
            "model_ema": {f"module.{k}": v * 0.5 for k, v in weights.items()},
            "best_dice": np.float32(0.75),
        },
        "parameters": dict(net.named_parameters()) | dict(net.named_buffers()),
    }
