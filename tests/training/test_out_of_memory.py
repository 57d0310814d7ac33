import pytest
import torch

from decamo.training.runtime import is_out_of_memory, release


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_what_means_out_of_memory(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"),
        ValueError("out of memory"),
        KeyboardInterrupt(),
    ],
)
def test_what_does_not(error: BaseException) -> None:
    assert not is_out_of_memory(error)


def test_what_the_cpu_s_allocator_says_is_recognised() -> None:
    with pytest.raises(RuntimeError) as said:
        torch.empty(1 << 56)
    assert is_out_of_memory(said.value)


def test_releasing_on_a_cpu_does_no_harm() -> None:
    release(torch.device("cpu"))
