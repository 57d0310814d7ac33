from pathlib import Path
from typing import Any

import pytest
import torch

from decamo.data.augment import Augmentation
from decamo.data.dataset import CamouflageDataset
from decamo.errors import CheckpointMismatch
from decamo.nn import SegmentationNetwork, build_segmenter
from decamo.training.prepare import Parts
from decamo.training.trainer import Trainer
from tests.training.conftest import Make, ours


def test_the_same_seed_gives_the_same_network_and_another_another(make: Make) -> None:
    one, same, other = make("a"), make("b"), make("c", run={"seed": 1})
    weights = [torch.cat([p.flatten() for p in t.state.model.parameters()]) for t in
               (one, same, other)]  # fmt: skip
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_an_untrained_backbones_batchnorm_is_estimated_from_images(make: Make) -> None:
    norms = [m for m in ours(make("run").state.model).backbone.modules()
             if isinstance(m, torch.nn.BatchNorm2d)]  # fmt: skip
    assert norms
    assert all(m.running_mean is not None and float(m.running_mean.abs().max()) > 0 for m in norms)


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ({"num_experts": 2}, "give --num-experts 3"),
        ({"backbone": "edgenext_xx_small"}, "give --backbone test_efficientnet"),
        ({"input_mean": [0.1, 0.2, 0.3]}, "give --input-mean"),
        ({"zoom": 1.5}, "give --zoom 1,"),
        ({"fovea": 0.5}, "give --fovea 1,"),
    ],
)
def test_another_network_is_refused_by_its_flags(
    two_epochs: Trainer, make: Make, model: dict[str, Any], named: str
) -> None:
    with pytest.raises(CheckpointMismatch, match=named):
        make("run", resume_from=two_epochs.folder.last, model=model, schedule={"epochs": 3})


@pytest.mark.parametrize(
    ("section", "change", "named"),
    [
        ("optimise", {"deep_supervision": False}, "--deep-supervision on -> off"),
        ("optimise", {"weight_decay": 0.3}, "--weight-decay 0.01 -> 0.3"),
        ("optimise", {"loss_weights": ["bce=0"]}, "--loss-weights default -> bce=0"),
        ("run", {"seed": 7}, "--seed 0 -> 7"),
    ],
)
def test_changes_that_branch_are_named(
    two_epochs: Trainer, make: Make, section: str, change: dict[str, Any], named: str
) -> None:
    sections = {"schedule": {"epochs": 3}} | {section: change}
    segment = make("run", resume_from=two_epochs.folder.last, **sections).state.lineage.last
    assert segment.kind == "branch"
    assert named in segment.reason


def test_more_workers_alone_continue(make: Make) -> None:
    part = make("run", stop_after=2)
    list(part.run())
    rest = make("run", resume_from=part.folder.last, data={"num_workers": 1})
    assert [s.kind for s in rest.state.lineage.segments] == ["start"]


def test_a_resume_needs_no_pretrained_weights(two_epochs: Trainer, make: Make) -> None:
    wanted = {"pretrained": True, "backbone_weights": str(Path("/nowhere/gone.pth"))}
    again = make("run", resume_from=two_epochs.folder.last, model=wanted, schedule={"epochs": 3})
    assert again.state.position.epoch == 2


def test_network_loss_and_augmentation_can_be_others(make: Make) -> None:
    made: list[SegmentationNetwork] = []

    def build(*how: Any, **also: Any) -> SegmentationNetwork:
        made.append(build_segmenter(*how, **also))
        return made[-1]

    weights = {"loss_weights": ["boundary=0", "bce=2"]}
    trainer = make("run", parts=Parts(build, _mirror), optimise=weights)
    assert trainer.state.model is made[0]
    usual = make("usual").stepper.criterion.weights
    assert trainer.stepper.criterion.weights == {**usual, "boundary": 0.0, "bce": 2.0}
    stage = trainer.state.lineage.plan.stages[0]
    batch = next(trainer.training_batches.batches(stage, 1, 0))
    pairs = {pair.key: pair for pair in trainer.training_batches.pairs}
    chosen = [pairs[key] for key in batch.keys]
    plain = CamouflageDataset(chosen, stage.img_size, seed=0, augment=False)
    for number, mask in enumerate(batch.mask):
        assert torch.equal(mask, plain[1, number].mask.flip(-1))


def _mirror(seed: int, epoch: int, index: int) -> Augmentation:
    return Augmentation(flip=True)
