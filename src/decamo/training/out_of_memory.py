"""Running out of memory: how it is recognised, and what can still be trusted afterwards."""

import gc
from dataclasses import dataclass

import torch

__all__ = ["OutOfMemory", "is_out_of_memory", "release"]

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
