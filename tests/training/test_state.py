from dataclasses import fields
from pathlib import Path

import pytest
import torch

from decamo.checkpoint import Best, EpochSums
from decamo.errors import CheckpointMismatch
from decamo.schedule import Segment
from decamo.storage.formats import FORMAT, upgraded
from decamo.storage.sealed import load_sealed, save_sealed
from decamo.training.trainer import Trainer
from tests.storage.format_1 import sealed_1, state_of_format_1
from tests.training.conftest import Make


def test_sums_are_means_over_images() -> None:
    sums = EpochSums().add(3, {"bce": 1.0}, 2.0).add(1, {"bce": 5.0}, 1.0)
    assert sums.means() == {"bce": pytest.approx(2.0)}
    assert (sums.images, sums.seconds) == (4, 3.0)


def test_a_checkpoint_holds_what_the_contract_names(two_epochs: Trainer) -> None:
    plain = torch.load(two_epochs.folder.last, weights_only=True)
    for part in (
        "model",
        "ema",
        "optimiser",
        "scaler",
        "generators",
        "position",
        "settings",
        "ledger",
        "history",
        "best",
        "architecture",
        "format",
    ):
        assert part in plain
    assert set(plain["optimiser"]) <= set(plain["model"])
    assert plain["position"] == {"epoch": 2, "step": 6, "micro": 0}


def test_the_best_score_counts_only_on_the_same_images(two_epochs: Trainer, make: Make) -> None:
    first = two_epochs
    held = load_sealed(first.folder.last)["best"]["images"]
    assert held
    later = make("run", resume_from=first.folder.last, schedule={"epochs": 3})
    assert later.state.best == first.state.best
    other = make(
        "run",
        resume_from=first.folder.last,
        schedule={"epochs": 3},
        data={"val_fraction": 0.1},
    )
    assert other.state.best == Best(images=other.state.best.images)
    assert other.state.best.images != held


def test_generators_come_back(make: Make, tmp_path: Path) -> None:
    trainer = make("run", schedule={"epochs": 2})
    list(trainer.run())
    expected = torch.rand(3)
    torch.manual_seed(4)
    make("run", resume_from=trainer.folder.last, schedule={"epochs": 3})
    assert torch.equal(torch.rand(3), expected)


def test_a_run_of_format_1_goes_on(make: Make, tmp_path: Path) -> None:
    """The plain fields are those of the file of format 1; only the tensors are of this network."""
    network = {"backbone": "mobilenetv2_035"}
    first = make("run", schedule={"epochs": 2}, model=network)
    list(first.run())
    tensors = load_sealed(first.folder.last)
    old = state_of_format_1() | {k: tensors[k] for k in ("model", "ema", "optimiser")}
    old["ledger"][0]["images"] = tensors["ledger"][0]["images"]
    old["position"]["step"] = tensors["position"]["step"]
    path = tmp_path / "run" / "old.pth"
    path.write_bytes(sealed_1(old))

    trainer = make("run", resume_from=path, model=network, data={"cache": "off"})
    assert [s.kind for s in trainer.state.lineage.segments] == ["start"]  # continued
    assert [r.iou for r in trainer.state.history] == [0.21, 0.34]
    list(trainer.run())

    plain = load_sealed(trainer.folder.last)
    assert plain["format"] == FORMAT
    assert plain["position"]["epoch"] == 4
    assert [r["epoch"] for r in plain["history"]] == [1, 2, 3, 4]
    assert plain["history"][0]["iou"] == 0.21


def test_what_is_checked_on_reading_is_what_is_written(
    two_epochs: Trainer, make: Make, tmp_path: Path
) -> None:
    plain = load_sealed(two_epochs.folder.last)
    assert set(plain) == set(upgraded(tmp_path, state_of_format_1()))
    written = {"kind": "word", "micro_batch_splits": "pieces"}
    assert set(plain["ledger"][0]) == {written.get(f.name, f.name) for f in fields(Segment)}
    assert set(plain["best"]) == {f.name for f in fields(Best)}
    assert set(plain["sums"]) == {f.name for f in fields(EpochSums)}

    plain["model"]["renamed.weight"] = torch.zeros(2)
    save_sealed(tmp_path / "x.pth", plain)
    with pytest.raises(CheckpointMismatch, match=r"the network has no renamed\.weight"):
        make("other", resume_from=tmp_path / "x.pth", schedule={"epochs": 3})


def test_what_learned_and_comes_without_moments_is_named(make: Make, tmp_path: Path) -> None:
    first = make("run", schedule={"epochs": 2, "progressive_unfreeze": False})
    list(first.run())
    plain = load_sealed(first.folder.last)
    lost = [n for n in plain["optimiser"] if n.startswith(("head.", "backbone."))][:3]
    for name in lost:
        del plain["optimiser"][name]
    save_sealed(tmp_path / "x.pth", plain)
    more = {"epochs": 3, "progressive_unfreeze": False}
    later = make("other", resume_from=tmp_path / "x.pth", schedule=more)
    assert sorted(later.state.without_moments) == sorted(lost)
    whole = make("third", resume_from=first.folder.last, schedule=more)
    assert whole.state.without_moments == ()
    frozen = make("fourth", stop_after=1)  # only the head has learned so far
    list(frozen.run())
    on = make("fourth", resume_from=frozen.folder.last)
    assert on.state.without_moments == ()
