"""Our sum of gradients against DistributedDataParallel, in real processes."""

from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist

from benchmarks.__main__ import main
from benchmarks.gradients_processes import (
    DDPStep,
    Work,
    _launched,
    batches_of,
    distance,
    stepper_of,
)
from decamo.training.runtime import Runtime

WORK = Work("test_efficientnet", 32, accumulation=2, rounds=2)


def _staged(work: Work, runtime: Runtime) -> dict[str, Any]:
    """Two steps of the head, two of all; one process's last micro-batch is empty now and then."""
    own, other = stepper_of(work, runtime), stepper_of(work, runtime)
    before = [p.detach().clone() for p in own.model.parameters()]
    ddp = DDPStep(other, batches_of(work, runtime.rank, 0)[0])
    for step in range(4):
        for stepper in (own, other):
            groups = ["head"] if step < 2 else list(stepper.model.groups())
            stepper.model.set_learning(frozenset(groups))
        short = runtime.rank == 1 and step % 2 == 1
        batches = batches_of(work, runtime.rank, step, empty_last=short)
        images = work.accumulation * runtime.world - step % 2
        own.step(batches, images)
        ddp.step(batches, images)
    every: list[Any] = [None, None]
    found = {
        "difference": distance(own.model.parameters(), other.model.parameters()),
        "change": distance(own.model.parameters(), before),
        "weights": float(sum(p.detach().double().sum() for p in own.model.parameters())),
    }
    dist.all_gather_object(every, found)
    return {"every": every}


@pytest.mark.long
def test_both_make_the_same_weights_of_frozen_groups_and_uneven_batches(tmp_path: Path) -> None:
    first, second = _launched(_staged, WORK, 2, tmp_path / "told")["every"]
    assert first["weights"] == second["weights"]  # of both processes, to the bit
    for found in (first, second):
        assert found["change"] > 1e-5  # a step of Adam moves a weight by its rate, 1e-4
        assert found["difference"] < 0.01 * found["change"]


@pytest.mark.parametrize(
    ("flag", "value"), [("--processes", "0"), ("--accumulation-steps", "0"), ("--rounds", "1")]
)
def test_what_cannot_be_measured_is_refused(
    flag: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gradients", flag, value]) == 2
    assert capsys.readouterr().err.startswith(f"decamo: {flag}: got ")


@pytest.mark.long
def test_the_table(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["--backbone", "test_efficientnet", "--img-size", "32", "--rounds", "2"]
    assert main(["gradients", *words, "--processes", "2", "--accumulation-steps", "1"]) == 0
    assert "DDP / own" in capfd.readouterr().out
