from dataclasses import replace
from pathlib import Path

import pytest
import torch

from decamo.checkpoint import Checkpoint
from decamo.races.branch_checkpoint import (
    averageable,
    averaged,
    depart,
    has_batchnorm,
    recalibrated,
)
from decamo.races.successive_halving import lineage_of, trial_settings
from decamo.storage.checkpoint_structure import validate_state
from decamo.storage.sealed import load_sealed, save_sealed
from tests.checkpoints import checkpoint_with
from tests.races.build import BRANCHES, course


def test_what_departs_is_a_checkpoint_and_leaves_the_original_alone(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    at = course(scenes, stalled, tmp_path / "escape")
    fresh = BRANCHES[3]
    settings = trial_settings(fresh, at.start, 2)
    lineage = lineage_of(fresh, settings, at.start, "why")
    middle = replace(at.checkpoint, position=replace(at.checkpoint.position, micro=3))
    state = depart(middle, settings, lineage, fresh.before, {})
    validate_state(tmp_path, state.to_plain())
    assert state.position.micro == 0
    assert state.moments == {}
    assert middle.moments
    assert state.lineage.last.reason.startswith("why")
    assert state.weights is middle.weights


def test_earlier_checkpoints_of_the_folder_are_averaged_and_no_later_ones(
    stalled: Path, tmp_path: Path
) -> None:
    state = load_sealed(stalled)
    step = state["position"]["step"]
    for epoch, gone in {1: -5, 3: 5}.items():
        position = {"epoch": epoch, "step": step + gone, "micro": 0}
        save_sealed(tmp_path / f"epoch-000{epoch}.pth", state | {"position": position})
    other = state | {"architecture": state["architecture"] | {"num_experts": 5}}
    save_sealed(tmp_path / "best_model.pth", other | {"position": state["position"] | {"step": 1}})
    (tmp_path / "last.pth").write_bytes(b"PK damaged")
    raced = tmp_path / "epoch-0002.pth"
    save_sealed(raced, state)
    assert averageable(Checkpoint.from_plain(state), raced) == [raced, tmp_path / "epoch-0001.pth"]
    far = state | {"position": state["position"] | {"epoch": 50}}
    assert averageable(Checkpoint.from_plain(far), raced) == [raced]


def test_an_average_is_the_mean_of_what_can_be_averaged(stalled: Path, tmp_path: Path) -> None:
    state = load_sealed(stalled)
    ema = {"weights": state["model"], "updates": 3}
    other = {n: t + 3 if t.is_floating_point() else t + 1 for n, t in state["model"].items()}
    path = tmp_path / "other.pth"
    save_sealed(path, state | {"model": other})
    mean = averaged(Checkpoint.from_plain(state | {"ema": ema}), [path, path])
    for name, tensor in state["model"].items():
        moved = tensor + 2 if tensor.is_floating_point() else tensor
        assert torch.allclose(mean.weights[name], moved, atol=1e-5), name
        assert mean.weights[name].dtype == tensor.dtype
        assert mean.ema is not None
        assert mean.ema.weights[name] is mean.weights[name]


def test_only_statistics_of_the_backbone_are_re_estimated(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    at = course(scenes, stalled, tmp_path / "escape")
    assert has_batchnorm(at.checkpoint)
    assert not has_batchnorm(
        checkpoint_with(weights={"head.running_mean": 0, "backbone.weight": 0})
    )
    state = recalibrated(at.checkpoint, at.splits.train, 32)
    moved = {
        name
        for name, tensor in state.weights.items()
        if not torch.equal(tensor, at.checkpoint.weights[name])
    }
    assert moved
    assert all(n.startswith("backbone.") and ("running" in n or "num_b" in n) for n in moved)
    again = recalibrated(at.checkpoint, at.splits.train, 32)
    assert all(torch.equal(again.weights[n], state.weights[n]) for n in moved)


@pytest.mark.parametrize("name", ["average", "batchnorm"])
def test_what_is_done_before_is_asked_for_by_name(
    scenes: Path, stalled: Path, tmp_path: Path, name: str
) -> None:
    at = course(scenes, stalled, tmp_path / "escape")
    done = depart(
        at.checkpoint, at.start.settings, at.start.lineage, name,
        {name: lambda state: replace(state, bad_steps=7)},
    )  # fmt: skip
    assert done.bad_steps == 7
