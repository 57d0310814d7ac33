from pathlib import Path

import pytest
import torch

from decamo.storage import load_sealed
from decamo.training.state import Best, EpochSums
from tests.training.conftest import Make


def test_sums_are_means_over_images() -> None:
    sums = EpochSums().add(3, {"bce": 1.0}, 2.0).add(1, {"bce": 5.0}, 1.0)
    assert sums.means() == {"bce": pytest.approx(2.0)}
    assert (sums.images, sums.seconds) == (4, 3.0)


def test_a_checkpoint_holds_what_the_contract_names(make: Make) -> None:
    trainer = make("run", schedule={"epochs": 2})
    list(trainer.run())
    plain = torch.load(trainer.folder.last, weights_only=True)
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


def test_the_best_score_counts_only_on_the_same_images(make: Make) -> None:
    first = make("run", schedule={"epochs": 2})
    list(first.run())
    held = load_sealed(first.folder.last)["best"]["images"]
    assert held
    later = make("run", resume_from=first.folder.last, schedule={"epochs": 3})
    assert later.state.best == first.state.best
    other = make(
        "run",
        resume_from=first.folder.last,
        schedule={"epochs": 3},
        data={"val_fraction": 0.4},
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
