"""A kind of expert that somebody registers: trained, kept in the checkpoint by name, loaded."""

from pathlib import Path

import pytest
import torch
from torch import nn

import decamo
from decamo.checkpoint.load_save import load_checkpoint
from decamo.errors import DecamoError
from decamo.settings import expert_names

TINY = {
    "backbone": "test_efficientnet",
    "pretrained": False,
    "device": "cpu",
    "img_size": 32,
    "stage1_epochs": 1,
    "epochs": 2,
    "batch_size": 4,
    "num_workers": 0,
    "val_fraction": 0.2,
}


class Mirror(nn.Module):
    """What differs from its mirror image."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weighed: torch.Tensor = self.weigh(x - x.flip(-1))
        return weighed


def test_it_is_trained_resumed_and_loaded_by_its_name(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expert_names, "_REGISTERED", {})
    decamo.register_expert("mirror", Mirror)
    kinds = ["texture", "mirror", "texture"]
    done = decamo.train(TINY, experts=kinds, dataset_path=scenes, checkpoint_dir=tmp_path / "run")

    held = load_checkpoint(done.folder.last)
    assert held.architecture["experts"] == kinds
    assert held.architecture["num_experts"] == 3
    assert "mixtures.0.experts.1.weigh.weight" in held.weights
    assert not any(name.startswith("mixtures.0.experts.3") for name in held.weights)

    further = decamo.train(
        dataset_path=scenes, resume_from=done.folder.last, checkpoint_dir=tmp_path / "next",
        epochs=3, device="cpu", num_workers=0,
    )  # fmt: skip
    assert load_checkpoint(further.folder.last).architecture["experts"] == kinds
    assert decamo.load(done.folder.best, device="cpu").loaded.epoch <= 2

    monkeypatch.setattr(expert_names, "_REGISTERED", {})
    with pytest.raises(DecamoError, match=r"there is no expert 'mirror'.*register_expert"):
        decamo.load(done.folder.best, device="cpu")
    with pytest.raises(DecamoError, match="--experts"):
        decamo.train(TINY, experts=kinds, dataset_path=scenes, checkpoint_dir=tmp_path / "other")
