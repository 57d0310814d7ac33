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

from decamo.data.draws import NOISE, words
from decamo.data.waiting import StopAsked
from decamo.errors import SettingsError
from decamo.training.exchange import sum_in_buckets
from decamo.training.peers import COLLECTIVE_S, Peers
from decamo.training.roll_call import join_group, leave

__all__ = [
    "OutOfMemory",
    "Runtime",
    "close_runtime",
    "first_process_first",
    "is_first_process",
    "is_out_of_memory",
    "open_runtime",
    "release",
    "world_size",
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


_T = TypeVar("_T")
_FIRST_WITH_BF16 = (8, 0)  # compute capability of Ampere; a T4 (7.5) only emulates bf16, slowly


@dataclass(frozen=True)
class Runtime:
    """Where a run takes place.

    Attributes:
        device: of this process.
        dtype: number format of the forward pass under autocast; None for plain float32.
        rank: number of this process.
        world: processes that train together.
        peers: the others, as far as they are known; None where there are none.
    """

    device: torch.device
    dtype: torch.dtype | None = None
    rank: int = 0
    world: int = 1
    peers: Peers | None = None

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
        sum_in_buckets(parameters, self._together)

    def average(self, tensors: Iterable[torch.Tensor]) -> None:
        """Replace floating-point tensors by their means over the processes."""
        found = [tensor for tensor in tensors if tensor.is_floating_point()]
        if self.world > 1 and found:
            flat = self.sum(torch.cat([tensor.flatten() for tensor in found])) / self.world
            pieces = flat.split([tensor.numel() for tensor in found])
            for tensor, piece in zip(found, pieces, strict=True):
                tensor.copy_(piece.view_as(tensor))

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """Sum of a tensor over the processes."""
        if self.world > 1:
            with self._together():
                dist.all_reduce(value)
        return value

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` holds in any process."""
        if self.world == 1:
            return flag
        return bool(self.sum(torch.tensor(float(flag), device=self.device)) > 0)

    def _together(self) -> AbstractContextManager[None]:
        return nullcontext() if self.peers is None else self.peers.collective()

    def phase(self, name: str) -> None:
        """Let the others know what this process does from now on, should it be its last."""
        if self.peers is not None:
            self.peers.say(name)

    def remember(self, mark: str) -> None:
        """Keep a mark for the processes that ``torchrun`` may start in place of these."""
        if self.peers is not None and self.is_main:
            self.peers.remember(mark)

    def remembers(self, mark: str) -> bool:
        """Whether the command's processes, these or dead ones, have made the mark."""
        return self.peers is not None and self.peers.remembers(mark)

    def age(self) -> float:
        """Seconds since the command began, also where its processes were started again."""
        return 0.0 if self.peers is None else self.peers.age()

    def reseed(self, seed: int, step: int) -> None:
        """Begin torch's generators anew, by run, step and process.

        A checkpoint holds the state of those of one process. With several each step has its own,
        so that dropout in any of them is after a resume what it would have been.
        """
        if self.world > 1:
            (drawn,) = words(NOISE, seed, self.rank, step, 1)
            torch.manual_seed(int(drawn >> 1))

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The main process goes through this block before the others enter it.

        They wait as long as it takes, and no longer than the main process lives.

        Raises:
            PeerLost: in the others, where it has ended.
            StopAsked: in the others, where it was asked to stop.
        """
        if self.peers is not None and not self.is_main:
            if why := self.peers.wait_for_first():
                raise StopAsked(why)
            yield
            return
        try:
            yield
        except StopAsked as stopped:
            if self.peers is not None:
                self.peers.first_done(stopped.why)
            raise
        if self.peers is not None:
            self.peers.first_done()

    def all_or_none(self, work: Callable[[], _T]) -> _T:
        """What each process does, where no one of them is asked to stop in it.

        Raises:
            StopAsked: in all of them, where one was; else some would wait for the others for ever.
        """
        why = ""
        try:
            done = work()
        except StopAsked as stopped:
            why = stopped.why
        if self.any(bool(why)):
            raise StopAsked(why or "as another process was asked to stop")
        return done

    def part(self) -> None:
        """Wait until all processes have come to their end, so that they leave together.

        ``torchrun`` ends the others as soon as the first one leaves with a code that is not 0: it
        must not do so while the main one writes a checkpoint.
        """
        if self.peers is not None:
            self.peers.part()

    def gather(self, items: list[Any]) -> list[Any]:
        """Items of all processes, interleaved as ``pairs[rank::world]`` had dealt them."""
        if self.world == 1:
            return items
        parts: list[Any] = [None] * self.world
        with self._together():
            dist.all_gather_object(parts, items)
        dealt = [None] * sum(len(p) for p in parts)
        for rank, part in enumerate(parts):
            dealt[rank :: self.world] = part
        return dealt


def is_first_process() -> bool:
    """Whether this is the one process, or the first of those that train together."""
    return int(os.environ.get("RANK", "0")) == 0


def world_size() -> int:
    """How many processes the environment says train together, such as torchrun's."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def open_runtime(device: str, precision: str, patience_s: float = 0.0) -> Runtime:
    """Choose device and number format; join the other processes where ``torchrun`` started us.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``bf16``.
        patience_s: how long a process may be busy alone beyond :data:`COLLECTIVE_S`, in s.

    Raises:
        SettingsError: there is no such device, or it does not do this format.
        PeerLost: the other processes did not come.
    """
    world, rank = world_size(), int(os.environ.get("RANK", "0"))
    chosen = _device(device, int(os.environ.get("LOCAL_RANK", "0")) if world > 1 else 0)
    dtype = _dtype(precision, chosen)
    if world == 1 and "TORCHELASTIC_RUN_ID" not in os.environ:
        return Runtime(chosen, dtype)
    peers = join_group(rank, world)
    if world == 1:  # what is left of several, perhaps: it learns what those have saved
        return Runtime(chosen, dtype, peers=peers)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    with peers.collective():
        dist.init_process_group(
            "nccl" if chosen.type == "cuda" else "gloo",
            store=peers.store,
            rank=rank,
            world_size=world,
            timeout=timedelta(seconds=COLLECTIVE_S + patience_s),
        )
    return Runtime(chosen, dtype, rank, world, peers)


def first_process_first(work: Callable[[], _T]) -> _T | None:
    """Work of the first process that the others wait for, before any device is opened.

    Returns:
        what came of it; None in the others.

    Raises:
        PeerLost: in the others, where it failed in the first process; with what that one said.
    """
    world, rank = world_size(), int(os.environ.get("RANK", "0"))
    if world == 1:
        return work()
    peers = join_group(rank, world)
    if rank:
        peers.wait_for_first()
        return None
    try:
        result = work()
    except BaseException as error:
        leave(peers, error)
        raise
    peers.first_done()
    return result


def close_runtime(runtime: Runtime, why: BaseException | None = None) -> None:
    """Leave the other processes; they learn why, where it is before the end."""
    if runtime.peers is not None:
        leave(runtime.peers, why)
    # NCCL would wait there for a process that is gone.
    if dist.is_initialized() and (why is None or dist.get_backend() == "gloo"):
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
