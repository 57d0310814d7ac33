import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing as mp

from decamo.checkpoint.load_save import load_checkpoint
from decamo.errors import SettingsError
from decamo.settings import TrainSettings
from decamo.settings.plain import from_plain, merged, to_plain
from decamo.storage import RunFolder
from decamo.storage.sealed import load_sealed
from decamo.training.data_splits import find_splits
from decamo.training.prepare import prepare
from decamo.training.runtime import close_runtime, open_runtime
from tests.training.conftest import tiny_settings


@pytest.mark.parametrize(
    ("device", "precision", "dtype"),
    [("cpu", "auto", None), ("cpu", "fp32", None), ("cpu", "bf16", torch.bfloat16)],
)
def test_cpu(device: str, precision: str, dtype: torch.dtype | None) -> None:
    runtime = open_runtime(device, precision)
    assert (runtime.device.type, runtime.dtype, runtime.world) == ("cpu", dtype, 1)
    assert runtime.is_main
    assert runtime.gather([1, 2]) == [1, 2]


def test_float16_on_a_cpu_is_refused() -> None:
    with pytest.raises(SettingsError, match="--precision: got fp16 on a CPU; use fp32"):
        open_runtime("cpu", "fp16")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match="--device: got cuda, but 0 GPUs can be seen"):
        open_runtime("cuda", "auto")


def _train(settings: TrainSettings) -> None:
    folder = RunFolder(settings.run.checkpoint_dir)
    path = settings.run.resume_from
    checkpoint = None if path is None else load_checkpoint(path)
    runtime = open_runtime("cpu", "fp32")
    with runtime.main_first():
        images = find_splits(
            settings.data, folder.census, lambda *_: None, keep=runtime.is_main,
            checkpoint=checkpoint,
        )  # fmt: skip
    prepared = prepare(
        settings, folder, runtime, images, checkpoint, stop=lambda: "", clock=lambda: 0.0
    )
    list(prepared.trainer.run())
    runtime.part()
    close_runtime(runtime)


def _some(settings: TrainSettings, steps: int) -> None:
    """Train so many steps alone, and save."""
    folder, asked = RunFolder(settings.run.checkpoint_dir), iter(range(1000))
    runtime = open_runtime("cpu", "fp32")
    images = find_splits(settings.data, folder.census, lambda *_: None)
    prepared = prepare(
        settings, folder, runtime, images, None, clock=lambda: 0.0,
        stop=lambda: "enough" if next(asked) + 1 >= steps else "",
    )  # fmt: skip
    prepared.trainer.validator.stop = lambda: ""
    list(prepared.trainer.run())


def _worker(rank: int, port: int, plain: dict[str, dict[str, Any]]) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}  # fmt: skip
    _train(from_plain(plain))


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_two_processes_train_what_one_trains_with_twice_the_micro_batch(
    scenes: Path, tmp_path: Path
) -> None:
    """11 images in global micro-batches of 2: the last share of one process is empty."""
    # Adam's first steps divide tiny gradients by themselves; plain rates keep rounding small.
    short = {
        "epochs": 2,
        "stage1_epochs": 1,
        "accumulation_steps": 2,
        "lr": 1e-5,
        "stage2_lr": 1e-5,
    }
    two = tiny_settings(scenes, tmp_path / "two",
                        schedule=short | {"batch_size": 1, "stage2_batch_size": 1})  # fmt: skip
    one = tiny_settings(scenes, tmp_path / "one",
                        schedule=short | {"batch_size": 2, "stage2_batch_size": 2})  # fmt: skip
    for settings in (two, one):
        settings.run.checkpoint_dir.mkdir()
    _train(one)
    mp.spawn(  # type: ignore[attr-defined]
        _worker, args=(_free_port(), to_plain(two)), nprocs=2
    )
    a, b = (load_sealed(tmp_path / name / "last.pth") for name in ("one", "two"))
    assert a["position"] == b["position"]
    assert a["history"][-1]["loss"] == pytest.approx(b["history"][-1]["loss"], rel=1e-3)
    assert a["history"][-1]["iou"] == pytest.approx(b["history"][-1]["iou"], abs=1e-3)
    for name, weight in a["model"].items():
        # the experts' usage is a mean over processes, whichever had no image in a step
        slack = 2e-3 if name.endswith("usage") else 2e-5
        torch.testing.assert_close(weight, b["model"][name], rtol=1e-3, atol=slack)


def test_other_device_counts_keep_the_plan_and_the_images_of_each_step(
    scenes: Path, tmp_path: Path
) -> None:
    """Begun alone, stopped in the middle of an epoch, and gone on with two processes."""
    schedule = {
        "epochs": 2, "stage1_epochs": 1, "batch_size": 3, "stage2_batch_size": 3,
        "accumulation_steps": 2, "lr": 1e-5, "stage2_lr": 1e-5,
    }  # fmt: skip
    alone = tiny_settings(scenes, tmp_path / "alone", schedule=schedule)
    moved = tiny_settings(scenes, tmp_path / "moved", schedule=schedule)
    for settings in (alone, moved):
        settings.run.checkpoint_dir.mkdir()
    _train(alone)
    _some(moved, 1)
    last = tmp_path / "moved" / "last.pth"
    assert load_checkpoint(last).position.micro == 2  # of the four of its first epoch
    onward = merged(to_plain(moved), {"run": {"resume_from": str(last)}})
    mp.spawn(  # type: ignore[attr-defined]
        _worker, args=(_free_port(), onward), nprocs=2
    )
    a, b = (load_sealed(tmp_path / name / "last.pth") for name in ("alone", "moved"))
    assert a["position"] == b["position"]
    assert len(a["ledger"]) == len(b["ledger"]) == 1  # no branch
    for name, weight in a["model"].items():
        slack = 2e-3 if name.endswith("usage") else 2e-5
        torch.testing.assert_close(weight, b["model"][name], rtol=1e-3, atol=slack)
