"""Device, number format and ranks: where a run takes place, and how its memory runs out.

Several devices train together under ``torchrun``. Gradients are summed by hand, once per optimizer
step, instead of by DistributedDataParallel: a sum over all images divided by their number is right
for uneven last batches, costs one exchange however many micro-batches are accumulated, and does not
care which parameters are frozen (see docs/decisions/0003).
"""

import gc
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from decamo.errors import SettingsError

__all__ = [
    "OutOfMemory",
    "Runtime",
    "close_runtime",
    "first_process_first",
    "is_first_process",
    "is_out_of_memory",
    "open_runtime",
    "release",
]

# Errors that are not torch.OutOfMemoryError: the CPU's allocator, and libraries that allocate
# workspaces of their own.
_SAID = (
    "out of memory",
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
)


@dataclass
class OutOfMemory(Exception):
    """A step did not fit.

    Attributes:
        torn: whether the optimizer had begun, so that weights and moments may be half updated.
    """

    torn: bool


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device or the machine has no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in _SAID)


def release(device: torch.device) -> None:
    """Hand cached blocks back; call it when nothing refers to the failed step any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


_FIRST_WITH_BF16 = (8, 0)  # compute capability of Ampere; a T4 (7.5) only emulates bf16, slowly


@dataclass(frozen=True)
class Runtime:
    """Where a run takes place.

    Attributes:
        device: of this process.
        dtype: number format of the forward pass under autocast; None for plain float32.
        rank: number of this process.
        world: processes that train together.
    """

    device: torch.device
    dtype: torch.dtype | None = None
    rank: int = 0
    world: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and talks to people."""
        return self.rank == 0

    def autocast(self) -> AbstractContextManager[None]:
        """The forward pass runs within this."""
        if self.dtype is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace each gradient by its sum over the processes; a missing one counts as zero."""
        if self.world == 1:
            return
        learning = [p for p in parameters if p.requires_grad]
        for parameter in learning:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [p.grad for p in learning if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(flat)
        for gradient, piece in zip(
            gradients, flat.split([g.numel() for g in gradients]), strict=True
        ):
            gradient.copy_(piece.view_as(gradient))

    def average(self, tensors: Iterable[torch.Tensor]) -> None:
        """Replace each floating-point tensor by its mean over the processes."""
        if self.world > 1:
            for tensor in tensors:
                if tensor.is_floating_point():
                    dist.all_reduce(tensor)
                    tensor /= self.world

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """Sum of a tensor over the processes."""
        if self.world > 1:
            dist.all_reduce(value)
        return value

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` holds in any process."""
        if self.world == 1:
            return flag
        return bool(self.sum(torch.tensor(float(flag), device=self.device)) > 0)

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The main process goes through this block before the others enter it."""
        if self.world > 1 and not self.is_main:
            dist.barrier()
        yield
        if self.world > 1 and self.is_main:
            dist.barrier()

    def gather(self, items: list[Any]) -> list[Any]:
        """Items of all processes, interleaved as ``pairs[rank::world]`` had dealt them."""
        if self.world == 1:
            return items
        parts: list[Any] = [None] * self.world
        dist.all_gather_object(parts, items)
        dealt = [None] * sum(len(p) for p in parts)
        for rank, part in enumerate(parts):
            dealt[rank :: self.world] = part
        return dealt


def is_first_process() -> bool:
    """Whether this is the one process, or the first of those that train together."""
    return int(os.environ.get("RANK", "0")) == 0


def open_runtime(device: str, precision: str) -> Runtime:
    """Choose device and number format; join the other processes where ``torchrun`` started us.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``bf16``.

    Raises:
        SettingsError: there is no such device, or it does not do this format.
    """
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    chosen = _device(device, int(os.environ.get("LOCAL_RANK", "0")) if world > 1 else 0)
    dtype = _dtype(precision, chosen)
    if world > 1 and not dist.is_initialized():
        if chosen.type == "cuda":
            torch.cuda.set_device(chosen)
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    return Runtime(chosen, dtype, rank, world)


_T = TypeVar("_T")
_FIRST_WITHIN = timedelta(hours=1)  # seconds would do, but for gigabytes over a slow line


def first_process_first(flag: str, work: Callable[[], _T]) -> _T | None:
    """Work of the first process that the others wait for, before any device is opened.

    Args:
        flag: that asks for it, for the error.
        work: what the first process does.

    Returns:
        what came of it; None in the others.

    Raises:
        SettingsError: it failed in the first process, which says why, or took over an hour.
    """
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if world == 1:
        return work()
    store, _, _ = next(iter(rendezvous("env://", rank, world, timeout=_FIRST_WITHIN)))
    if rank == 0:
        done = b"failed"
        try:
            result = work()
            done = b"done"
        finally:
            store.set(f"decamo {flag}", done)
            # the store may be this process's own: it stays until all have asked it
            store.wait([f"decamo {flag} {other}" for other in range(1, world)])
        return result
    try:
        done = store.get(f"decamo {flag}")
    except (RuntimeError, dist.DistError) as error:
        raise SettingsError(flag, f"the first process did not end ({error})", "see it") from error
    store.set(f"decamo {flag} {rank}", b"heard")
    if done != b"done":
        raise SettingsError(flag, "was refused to the first process", "see what that one says")
    return None


def close_runtime() -> None:
    """Leave the other processes."""
    if dist.is_initialized():
        dist.destroy_process_group()


def _device(device: str, local_rank: int) -> torch.device:
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = torch.device(device)
    if chosen.type == "cpu":
        return chosen
    count = torch.cuda.device_count()
    index = local_rank if chosen.index is None else chosen.index
    if index >= count:
        remedy = "use --device cpu" if count == 0 else f"the last one is cuda:{count - 1}"
        raise SettingsError("--device", f"got {device}, but {count} GPUs can be seen", remedy)
    return torch.device("cuda", index)


def _dtype(precision: str, device: torch.device) -> torch.dtype | None:
    if device.type == "cpu":
        if precision == "fp16":
            raise SettingsError("--precision", "got fp16 on a CPU", "use fp32, or a GPU")
        return torch.bfloat16 if precision == "bf16" else None
    has_bf16 = torch.cuda.get_device_capability(device) >= _FIRST_WITH_BF16
    if precision == "bf16" and not has_bf16:
        name = torch.cuda.get_device_name(device)
        raise SettingsError("--precision", f"got bf16, but {name} has none", "use fp16")
    if precision == "auto":
        return torch.bfloat16 if has_bf16 else torch.float16
    return {"fp32": None, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
