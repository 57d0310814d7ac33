"""A foreign network's backbone in our own network: as a new run, and as a branch of a race."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

import decamo
from decamo.checkpoint.load_save import load_checkpoint
from decamo.errors import SettingsError, WeightsUnavailable
from decamo.nn.transplant import backbone_in
from decamo.races.judge import Gap

SOURCE = """
import timm
from torch import nn
from torch.nn.functional import interpolate


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.bkbone = timm.create_model("test_efficientnet", features_only=True)
        self.head = nn.Conv2d(self.bkbone.feature_info.channels()[-1], 1, 1)

    def forward(self, image):
        return interpolate(self.head(self.bkbone(image)[-1]), image.shape[-2:])


def build():
    return Net()
"""
TINY: dict[str, Any] = {
    "device": "cpu", "num_workers": 0, "val_fraction": 0.3, "img_size": 64, "batch_size": 4,
    "accumulation_steps": 1, "epochs": 3, "num_experts": 2,
}  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> str:
    (tmp_path / "their_net.py").write_text(SOURCE)
    return f"{tmp_path / 'their_net.py'}:build"


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    scope: dict[str, Any] = {}
    exec(compile(SOURCE, "their_net.py", "exec"), scope)
    torch.manual_seed(0)
    weights = {f"module.{name}": value for name, value in scope["build"]().state_dict().items()}
    torch.save({"state_dict": weights, "epoch": 0}, tmp_path / "their_best.pth")
    return tmp_path / "their_best.pth"


@pytest.mark.parametrize(
    ("name", "before"),
    [("resnet18", "module.resnet."),
     *(pytest.param(*one, marks=pytest.mark.long)
       for one in (("resnet18", ""), *product(("test_efficientnet",), ("", "module.resnet.")),
                   *product(("pvt_v2_b0", "mobilenetv2_035"), ("", "module.resnet."))))],
)  # fmt: skip
def test_a_backbone_is_known_by_its_names_and_shapes(name: str, before: str) -> None:
    whole = timm.create_model(name).state_dict()
    weights = {f"{before}{key}": value for key, value in whole.items()}
    weights["decoder.weight"] = torch.zeros(3, 3)

    assert backbone_in(weights) == name
    assert backbone_in(weights, "inception_v4") == name  # another library may mean something else
    assert backbone_in(weights, name) == name
    grown = {k: torch.cat([v, v]) if v.ndim else v for k, v in weights.items()}
    assert backbone_in(grown) == ""


def test_our_network_begins_with_their_backbone_in_stage_1_and_follows_their_maps(
    tmp_path: Path, theirs: Path, source: str, scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adopted = decamo.adopt(theirs, TINY, network=source, out=tmp_path / "adopted", epoch=1)
    place: dict[str, Any] = {"dataset_path": scenes, "stage1_epochs": 2, "epochs": 3}
    weights = torch.load(theirs, weights_only=True)["state_dict"]

    run = decamo.train(
        TINY, transplant=adopted.checkpoint, teacher_network=source, keep_every=1, **place,
        checkpoint_dir=tmp_path / "ours",
    )  # fmt: skip

    out = capsys.readouterr().out
    assert "transplant: test_efficientnet out of last.pth" in out
    assert "follows the old network's maps" in out
    frozen = load_checkpoint(next((tmp_path / "ours").glob("*2.pth")))
    assert frozen.settings.optimise.teacher == adopted.checkpoint
    ours = {k: v for k, v in frozen.weights.items() if k.startswith("backbone.")}
    same = [
        name for name, value in weights.items()
        if "bkbone" in name and any(torch.equal(value, one) for one in ours.values())
    ]  # fmt: skip
    assert len(same) == sum("bkbone" in name for name in weights)
    assert run.best_iou is not None
    teach = [record.parts["teacher"] for record in load_checkpoint(run.folder.last).history]
    assert all(value > 0 for value in teach)


def test_of_a_file_alone_the_backbone_is_taken_and_a_line_says_how_to_have_a_teacher(
    tmp_path: Path, theirs: Path, scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = decamo.train(
        TINY, transplant=theirs, dataset_path=scenes, checkpoint_dir=tmp_path / "ours",
        stage1_epochs=1, epochs=2, dry_run=True,
    )  # fmt: skip

    assert run.rehearsal is not None
    out = capsys.readouterr().out
    assert "decamo adopt" in out
    assert "--teacher-network FILE.py:FUNCTION" in out


def test_what_cannot_be_transplanted_is_said(tmp_path: Path, theirs: Path, scenes: Path) -> None:
    torch.save({"conv.weight": torch.zeros(3, 3)}, tmp_path / "none.pth")
    with pytest.raises(WeightsUnavailable, match="name it by --backbone"):
        decamo.train(TINY, transplant=tmp_path / "none.pth", dataset_path=scenes)
    with pytest.raises(SettingsError, match="--network smp:FPN beside it"):
        decamo.train(TINY, transplant=theirs, network="smp:FPN", dataset_path=scenes)


def test_a_race_of_a_foreign_run_tries_the_transplant_and_its_winner_is_trained(
    tmp_path: Path, theirs: Path, source: str, scenes: Path
) -> None:
    adopted = decamo.adopt(
        theirs, TINY, network=source, out=tmp_path / "run", epoch=1, dataset_path=scenes
    )

    raced = decamo.escape(
        adopted.checkpoint, scenes, network=source, only=["transplant"], trial_epochs=1,
        device="cpu", num_workers=0,
    )  # fmt: skip

    assert raced.outcome is not None
    assert set(raced.outcome.results) == {"control", "twin", "transplant"}
    found = raced.outcome.results["transplant"]
    assert found.lost is None
    assert 0 <= found.rungs[1].iou <= 1
    gap = Gap("transplant", "control", 0.1, 0.05, 0.15)
    done = replace(raced, outcome=replace(raced.outcome, winner=gap)).train()
    assert done is not None
    held = load_checkpoint(done.folder.last)
    assert held.position.epoch == 3
    assert held.settings.model.network == "decamo"
    assert held.settings.model.backbone == "test_efficientnet"
    teacher = held.settings.optimise.teacher
    assert teacher is not None
    assert teacher.read_bytes() == (tmp_path / "run" / teacher.name).read_bytes()
    assert load_checkpoint(teacher).architecture["kind"] == "file"  # not written over
    assert held.settings.optimise.teacher_network == source
