"""Experts traced for every size give what they give at each one."""

import pytest
import torch
from torch import nn

from decamo.nn.experts import local_mean


class Mean(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return local_mean(x, 4)


@pytest.fixture(scope="module")
def traced() -> nn.Module:
    """``local_mean`` of any height and width, from an example of 7 x 9."""
    sides = dict.fromkeys((2, 3), torch.export.Dim.DYNAMIC)
    program = torch.export.export(
        Mean(), (torch.zeros(1, 2, 7, 9),), dynamic_shapes={"x": sides}, strict=False
    )
    return program.module(check_guards=False)  # those of memory layouts, which ONNX has none of


@pytest.mark.parametrize("size", [(3, 4), (4, 4), (8, 12), (13, 5), (64, 63)])
def test_a_traced_mean_is_the_mean(traced: nn.Module, size: tuple[int, int]) -> None:
    x = torch.randn(1, 2, *size, generator=torch.Generator().manual_seed(0))
    assert torch.equal(traced(x), local_mean(x, 4))
