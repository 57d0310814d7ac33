"""Runs of networks of others: they stop and go on as our own does, bit for bit."""

from pathlib import Path
from typing import Any

import pytest
import torch

from decamo.errors import CheckpointMismatch
from decamo.history import EpochDone, Interrupted
from decamo.nn.build import is_fresh
from decamo.nn.foreign import ForeignNetwork
from tests.training.conftest import Make, assert_equal, everything

THEIRS = """
import torch
import timm
import torch.nn.functional as F


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = timm.create_model("test_efficientnet", features_only=True)
        widths = self.backbone.feature_info.channels()
        self.heads = torch.nn.ModuleList(torch.nn.Conv2d(width, 1, 1) for width in widths[1:])
        self.drop = torch.nn.Dropout(0.1)

    def forward(self, x):
        features = self.backbone(x)[1:]
        maps = [head(self.drop(f)) for head, f in zip(self.heads, features)]
        whole = sum(F.interpolate(m, x.shape[-2:], mode="bilinear") for m in maps)
        if not self.training:
            return whole
        return {"logits": whole, "deep": maps, "auxiliary_loss": 0.01 * whole.square().mean()}


def build():
    return Net()
"""


@pytest.fixture
def named(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """The settings that name a network: of a library, or of a file written here."""
    kind: str = request.param
    if kind == "file":
        (tmp_path / "their_net.py").write_text(THEIRS)
        return {"network": f"{tmp_path}/their_net.py:build"}
    if kind == "smp":
        pytest.importorskip("segmentation_models_pytorch")
        return {"network": "smp:FPN"}
    hub = pytest.importorskip("transformers")
    hub.SegformerConfig(
        depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 8, 8], num_attention_heads=[1, 1, 1, 1],
        decoder_hidden_size=8,
    ).to_json_file(tmp_path / "config.json")  # fmt: skip
    name = "transformers:SegformerForSemanticSegmentation"
    return {"network": f"{name}@{tmp_path / 'config.json'}"}


# Steps: 0-2 in stage 1, 3-11 in stage 2, whose levels open at 3, 6 and 9.
QUICK = {"batch_size": 4, "stage2_batch_size": 4, "accumulation_steps": 1}
LONG = [pytest.param(n, marks=pytest.mark.long) for n in (1, 2, 3, 4, 5, 6, 8, 9, 10, 11)]


@pytest.mark.parametrize("stop", [7, *LONG])
@pytest.mark.parametrize(
    "named", ["transformers", *(pytest.param(n, marks=pytest.mark.long) for n in ("smp", "file"))],
    indirect=True,
)  # fmt: skip
def test_stopped_and_continued_it_ends_bit_equal(
    make: Make, named: dict[str, Any], stop: int
) -> None:
    whole = make("whole", model=named, schedule=QUICK)
    list(whole.run())
    part = make("parts", model=named, schedule=QUICK, stop_after=stop)
    assert isinstance(list(part.run())[-1], Interrupted)
    torch.manual_seed(999)  # nothing may lean on the generator of the process
    rest = make("parts", model=named, schedule=QUICK, resume_from=part.folder.last)
    list(rest.run())
    assert_equal(everything(rest), everything(whole))


@pytest.mark.parametrize("named", ["file"], indirect=True)
def test_side_outputs_and_a_loss_of_its_own_are_trained(make: Make, named: dict[str, Any]) -> None:
    trainer = make("run", model=named, schedule={"epochs": 1, "stage1_epochs": 0})
    (record,) = [e.record for e in trainer.run() if isinstance(e, EpochDone)]
    assert record.parts["side"] > 0
    assert record.parts["auxiliary"] > 0
    assert record.parts["balance"] == 0
    assert not record.usage
    assert not record.gates


@pytest.mark.parametrize("named", ["smp"], indirect=True)
def test_an_untrained_backbones_batchnorm_is_estimated_before_it_stands_still(
    make: Make, named: dict[str, Any]
) -> None:
    trainer = make("run", model=named)
    network = trainer.state.model
    assert isinstance(network, ForeignNetwork)
    assert network.backbone_norms()
    assert not is_fresh(network)
    assert not trainer.stepper.side_outputs, "it has none, and does not stop for that"


@pytest.mark.parametrize("named", ["file"], indirect=True)
def test_a_source_that_no_longer_fits_is_refused_and_another_network_too(
    make: Make, named: dict[str, Any], tmp_path: Path
) -> None:
    part = make("run", model=named, stop_after=2)
    list(part.run())
    file = tmp_path / "their_net.py"
    file.write_text(THEIRS.replace("Conv2d(width, 1, 1)", "Conv2d(width, 1, 3, padding=1)"))
    with pytest.raises(CheckpointMismatch, match=r"of another shape are net\.heads.*has changed"):
        make("run", model=named, resume_from=part.folder.last)
    with pytest.raises(
        CheckpointMismatch, match=r"their_net\.py:build, not with decamo; give --ne"
    ):
        make("run", resume_from=part.folder.last)
    with pytest.raises(CheckpointMismatch, match=r"their_net\.py:build, not with smp:FPN"):
        make("run", model={"network": "smp:FPN"}, resume_from=part.folder.last)


def test_what_never_gets_a_gradient_has_no_moments_to_miss(make: Make, tmp_path: Path) -> None:
    unused = "self.backbone.classifier = torch.nn.Linear(3, 3)\n        self.drop ="
    (tmp_path / "their_net.py").write_text(THEIRS.replace("self.drop =", unused))
    model = {"network": f"{tmp_path}/their_net.py:build"}
    schedule = {"epochs": 2, "stage1_epochs": 0}
    part = make("run", model=model, schedule=schedule, stop_after=3)
    list(part.run())

    rest = make("run", model=model, schedule=schedule, resume_from=part.folder.last)

    assert any("classifier" in name for name in rest.state.model.state_dict())
    assert rest.state.without_moments == ()


def test_a_run_of_ours_is_not_gone_on_with_as_anothers(make: Make) -> None:
    pytest.importorskip("segmentation_models_pytorch")
    part = make("run", stop_after=2)
    list(part.run())
    with pytest.raises(CheckpointMismatch, match=r"with the network decamo, not with smp:FPN"):
        make("run", model={"network": "smp:FPN"}, resume_from=part.folder.last)
