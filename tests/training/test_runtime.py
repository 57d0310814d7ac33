from collections.abc import Callable

import pytest
import torch
import torch.distributed as dist

from decamo.errors import SettingsError
from decamo.training.runtime import Runtime, open_runtime, release


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
