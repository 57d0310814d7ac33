from pathlib import Path

import pytest
import torch

from decamo.cli import main
from decamo.errors import CheckpointError
from decamo.inference.load_model import load_model
from decamo.storage.sealed import load_sealed
from decamo.training.step import load_teacher
from decamo.training.trainer import Trainer
from tests.training.conftest import TINY, Make

CPU = torch.device("cpu")


@pytest.fixture
def taught_by(two_epochs: Trainer) -> Path:
    return two_epochs.folder.last


def pixels(size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8, generator=generator)


def test_it_says_what_its_network_predicts_and_never_learns(taught_by: Path) -> None:
    teacher, image = load_teacher(taught_by, CPU), pixels(32)
    model = load_model(taught_by).model
    with torch.no_grad():
        expected = model(model.normalize(image)).logits
    assert torch.equal(teacher(image), expected)
    assert not teacher(image).requires_grad
    assert not any(p.requires_grad for p in teacher.model.parameters())


def test_images_of_another_size_are_seen_at_the_size_that_it_knows(taught_by: Path) -> None:
    teacher, image = load_teacher(taught_by, CPU), pixels(64)
    with torch.no_grad():
        expected = teacher.model(teacher.model.normalize(image), scale=0.5).logits
    assert teacher(image).shape == (2, 1, 64, 64)
    assert torch.equal(teacher(image), expected)


def test_a_run_follows_it_and_a_resume_goes_on_as_if_never_stopped(
    make: Make, taught_by: Path
) -> None:
    follow = {"optimise": {"teacher": str(taught_by)}}
    before = taught_by.read_bytes()
    whole = make("whole", schedule={"epochs": 2}, **follow)
    list(whole.run())
    assert whole.state.history[-1].parts["teacher"] > 0
    part = make("part", schedule={"epochs": 2}, stop_after=3, **follow)
    list(part.run())
    rest = make("part", resume_from=part.folder.last, schedule={"epochs": 2}, **follow)
    assert rest.state.lineage.last.kind == "start"
    list(rest.run())
    assert [r.parts for r in rest.state.history] == [r.parts for r in whole.state.history]
    weights = (load_sealed(t.folder.last)["model"] for t in (whole, rest))
    one, other = weights
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert taught_by.read_bytes() == before


def test_following_is_a_branch_that_is_named(make: Make, taught_by: Path) -> None:
    follow = {"teacher": str(taught_by)}
    resumed = make("on", resume_from=taught_by, schedule={"epochs": 3}, optimise=follow)
    assert resumed.state.lineage.last.kind == "branch"
    assert "--teacher" in resumed.state.lineage.last.reason


@pytest.mark.long
def test_a_teacher_draws_a_network_towards_itself(make: Make, taught_by: Path) -> None:
    """The same batches, once with and once without it: with it the two end nearer.

    At rates that lead far in a few steps: by a fifth or so, whatever the seed.
    """
    fast = {"epochs": 3, "stage1_epochs": 0, "batch_size": 4, "stage2_batch_size": 4,
            "accumulation_steps": 1, "stage2_lr": 0.01}  # fmt: skip

    def distance(name: str, **changes: dict[str, object]) -> float:
        run = make(name, schedule=fast, run={"seed": 5}, **changes)
        list(run.run())
        model, teacher = run.state.model.eval(), load_teacher(taught_by, CPU)
        image = pixels(32)
        with torch.no_grad():
            own = model(model.normalize(image)).logits.sigmoid()
        return float((own - teacher(image).sigmoid()).abs().mean())

    assert distance("followed", optimise={"teacher": str(taught_by)}) < distance("alone")


def test_what_is_no_checkpoint_is_one_line(
    tmp_path: Path, scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CheckpointError, match="--teacher"):
        load_teacher(tmp_path / "gone.pth", CPU)
    words = ["train", "--dataset-path", str(scenes), "--checkpoint-dir", str(tmp_path / "run")]
    words += ["--backbone", TINY["model"]["backbone"], "--no-pretrained", "--device", "cpu"]
    assert main([*words, "--img-size", "32", "--teacher", str(tmp_path / "gone.pth")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "gone.pth" in said
    assert "name a checkpoint of decamo train" in said
