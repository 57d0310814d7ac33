import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from decamo.checkpoint.load_save import load_checkpoint
from decamo.errors import SettingsError
from decamo.settings import TrainSettings
from decamo.settings.plain import from_plain, merged, to_plain
from decamo.storage import RunFolder
from decamo.storage.sealed import load_sealed
from decamo.training.data_splits import find_splits
from decamo.training.prepare import prepare
from decamo.training.runtime import Runtime, close_runtime, open_runtime, release
from tests.training.conftest import tiny_settings
from tests.two_processes import in_two_processes


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


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[int, int]], None]:
    """This machine seems to have two GPUs of the compute capability that is asked for."""

    def there(capability: tuple[int, int]) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)

    return there


@pytest.mark.parametrize(
    ("capability", "precision", "dtype"),
    [
        ((7, 5), "auto", torch.float16),
        ((8, 0), "auto", torch.bfloat16),
        ((8, 0), "bf16", torch.bfloat16),
        ((9, 0), "fp16", torch.float16),
        ((9, 0), "fp32", None),
    ],
)
def test_a_format_that_the_gpu_has(
    two_gpus: Callable[[tuple[int, int]], None],
    capability: tuple[int, int],
    precision: str,
    dtype: torch.dtype | None,
) -> None:
    two_gpus(capability)
    runtime = open_runtime("auto", precision)
    assert (runtime.device, runtime.dtype) == (torch.device("cuda", 0), dtype)


def test_what_a_gpu_lacks_is_refused(two_gpus: Callable[[tuple[int, int]], None]) -> None:
    two_gpus((7, 5))
    assert open_runtime("cuda:1", "fp32").device == torch.device("cuda", 1)
    with pytest.raises(
        SettingsError, match="--precision: got bf16, but Tesla T4 has none; use fp16"
    ):
        open_runtime("cuda:1", "bf16")
    with pytest.raises(SettingsError, match=r"--device: got cuda:2, .* the last one is cuda:1"):
        open_runtime("cuda:2", "fp32")


def test_memory_is_handed_back_to_the_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[str] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: handed.append("back"))
    release(torch.device("cpu"))
    assert handed == []
    release(torch.device("cuda"))
    assert handed == ["back"]


class _Sent:
    """A sum that is on its way until it is waited for."""

    def __init__(self, flat: torch.Tensor, other: torch.Tensor) -> None:
        self._flat, self._other = flat, other

    def wait(self) -> None:
        self._flat += self._other


def test_numbers_of_two_processes_are_averaged(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = [torch.tensor([1.0, 2.0]), torch.tensor(7), torch.tensor([[5.0]])]
    theirs = torch.tensor([3.0, 6.0, 9.0])
    monkeypatch.setattr(dist, "all_reduce", lambda value: value.add_(theirs))
    Runtime(torch.device("cpu"), world=2).average(mine)
    assert [one.tolist() for one in mine] == [[2, 4], 7, [[7]]]  # a count is left alone


def test_gradients_are_summed_in_groups_of_one_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """One without a gradient counts as zero, one that does not learn is not sent at all."""
    frozen, none, single, double = (
        torch.nn.Parameter(torch.ones(2, dtype=dtype), requires_grad=learns)
        for dtype, learns in (
            (torch.float32, False), (torch.float32, True), (torch.float32, True),
            (torch.float64, True),
        )
    )  # fmt: skip
    single.grad, double.grad = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]).double()
    sent: list[torch.Tensor] = []

    def all_reduce(flat: torch.Tensor, *, async_op: bool) -> _Sent:
        assert async_op
        sent.append(flat.clone())
        return _Sent(flat, torch.full_like(flat, 10))

    monkeypatch.setattr(dist, "all_reduce", all_reduce)
    Runtime(torch.device("cpu"), world=2).sum_gradients([frozen, none, single, double])
    assert [(one.dtype, one.tolist()) for one in sent] == [
        (torch.float32, [0, 0, 1, 2]),
        (torch.float64, [3, 4]),
    ]
    gradients = [none.grad, single.grad, double.grad]
    assert [None if g is None else g.tolist() for g in gradients] == [[10] * 2, [11, 12], [13, 14]]
    assert frozen.grad is None
    sent.clear()
    Runtime(torch.device("cpu"), world=2).sum_gradients([frozen])
    assert sent == []


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


def _worker(rank: int, runs: list[tuple[int, dict[str, dict[str, Any]]]]) -> None:
    torch.set_num_threads(1)
    for port, plain in runs:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
                       "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}  # fmt: skip
        _train(from_plain(plain))


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@dataclass(frozen=True)
class Both:
    """The same run by one process and, all of it or its end, by two."""

    one: TrainSettings
    two: TrainSettings

    def ends(self) -> tuple[dict[str, Any], dict[str, Any]]:
        one, two = (load_sealed(s.run.checkpoint_dir / "last.pth") for s in (self.one, self.two))
        return one, two


def _halves(scenes: Path, root: Path) -> Both:
    """11 images in global micro-batches of 2: the last share of one process is empty."""
    # Adam's first steps divide tiny gradients by themselves; plain rates keep rounding small.
    short = {
        "epochs": 2,
        "stage1_epochs": 1,
        "accumulation_steps": 2,
        "lr": 1e-5,
        "stage2_lr": 1e-5,
    }
    one, two = (
        tiny_settings(scenes, root / f"of-{images}",
                      schedule=short | {"batch_size": images, "stage2_batch_size": images})
        for images in (2, 1)
    )  # fmt: skip
    return Both(one, two)


def _moved(scenes: Path, root: Path) -> Both:
    """Begun alone, stopped in the middle of an epoch, and to go on with two processes."""
    schedule = {
        "epochs": 2, "stage1_epochs": 1, "batch_size": 3, "stage2_batch_size": 3,
        "accumulation_steps": 2, "lr": 1e-5, "stage2_lr": 1e-5,
    }  # fmt: skip
    alone, moved = (
        tiny_settings(scenes, root / name, schedule=schedule) for name in ("alone", "moved")
    )
    moved.run.checkpoint_dir.mkdir()
    _some(moved, 1)
    last = moved.run.checkpoint_dir / "last.pth"
    assert load_checkpoint(last).position.micro == 2  # of the four of its first epoch
    onward = from_plain(merged(to_plain(moved), {"run": {"resume_from": str(last)}}))
    return Both(alone, onward)


@pytest.fixture(scope="module")
def trained(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Both, Both]:
    """Two processes, which take long to start, train one run after the other."""
    root = tmp_path_factory.mktemp("processes")
    halves, moved = _halves(scenes, root), _moved(scenes, root)
    halves.two.run.checkpoint_dir.mkdir()
    for both in (halves, moved):
        both.one.run.checkpoint_dir.mkdir()
        _train(both.one)
    runs = [(_free_port(), to_plain(both.two)) for both in (halves, moved)]
    in_two_processes(_worker, runs)
    return halves, moved


def test_two_processes_train_what_one_trains_with_twice_the_micro_batch(
    trained: tuple[Both, Both],
) -> None:
    a, b = trained[0].ends()
    assert a["position"] == b["position"]
    assert a["history"][-1]["loss"] == pytest.approx(b["history"][-1]["loss"], rel=1e-3)
    assert a["history"][-1]["iou"] == pytest.approx(b["history"][-1]["iou"], abs=1e-3)
    for name, weight in a["model"].items():
        # the experts' usage is a mean over processes, whichever had no image in a step
        slack = 2e-3 if name.endswith("usage") else 2e-5
        torch.testing.assert_close(weight, b["model"][name], rtol=1e-3, atol=slack)


def test_other_device_counts_keep_the_plan_and_the_images_of_each_step(
    trained: tuple[Both, Both],
) -> None:
    a, b = trained[1].ends()
    assert a["position"] == b["position"]
    assert len(a["ledger"]) == len(b["ledger"]) == 1  # no branch
    for name, weight in a["model"].items():
        slack = 2e-3 if name.endswith("usage") else 2e-5
        torch.testing.assert_close(weight, b["model"][name], rtol=1e-3, atol=slack)
