"""Other forms of the same results: against the modules themselves, in double precision."""

import pytest
import torch
from torch import Tensor, nn

from decamo.export.graph_forms import runtime_forms
from decamo.nn.experts import Mixture


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("groups", "affine"), [(8, True), (1, True), (16, False)])
def test_a_norm_of_groups_is_that_of_torch(groups: int, affine: bool) -> None:
    norm = nn.GroupNorm(groups, 16, affine=affine)
    if affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    x = 3 + drawn(2, 16, 5, 7) * torch.arange(1, 17)[:, None, None]
    wanted = norm.double()(x.double())
    with runtime_forms(norm.float()):
        found = norm(x)
    torch.testing.assert_close(found, wanted.float(), rtol=1e-5, atol=1e-5)
    assert not torch.equal(found, norm(x)) or groups == 16  # another order of sums did run


def test_a_mixture_is_that_of_its_experts() -> None:
    torch.manual_seed(0)
    mixture = Mixture(16, 7, 8).eval()
    nn.init.normal_(mixture.router.score.weight)  # gates that differ between images
    x = drawn(2, 16, 12, 8)
    with torch.no_grad():
        wanted, gates = mixture(x)
        with runtime_forms(mixture):
            found, same = mixture(x)
    assert torch.equal(gates, same)
    assert gates.std() > 0.01
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    assert not torch.equal(found, wanted)


def test_modules_are_as_they_were_after_an_error() -> None:
    mixture = Mixture(16, 2, 8)
    with pytest.raises(ZeroDivisionError), runtime_forms(mixture):
        raise ZeroDivisionError
    assert all("forward" not in vars(module) for module in mixture.modules())
