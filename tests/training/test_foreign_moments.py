from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import nn

from decamo.training.foreign_moments import MomentsUnmatchedError, moments_by_name
from tests.foreign_files import network, trained_a_step

Groups = list[list[nn.Parameter]]


def kernels(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    return [p for p in parameters if p.ndim > 1]


def vectors(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    return [p for p in parameters if p.ndim <= 1]


def split(net: Any) -> Groups:
    parts = net.encoder.parameters, net.head.parameters
    return [kind(part()) for part in parts for kind in (kernels, vectors)]


CUSTOMS: dict[str, Callable[[Any], Groups]] = {
    "all": lambda net: [list(net.parameters())],
    "backbone, head": lambda net: [list(net.encoder.parameters()), list(net.head.parameters())],
    "head, backbone": lambda net: [list(net.head.parameters()), list(net.encoder.parameters())],
    "decay, no decay": lambda net: [kernels(net.parameters()), vectors(net.parameters())],
    "both": split,
    "head alone": lambda net: [list(net.head.parameters())],
    "by block": lambda net: [
        *(list(block.parameters()) for block in net.encoder),
        list(net.head.parameters()),
    ],
}


@pytest.mark.parametrize("custom", CUSTOMS)
def test_moments_are_those_that_the_optimizer_has(custom: str) -> None:
    net = network()
    optimizer = trained_a_step(net, *CUSTOMS[custom](net))

    found = moments_by_name(net, optimizer.state_dict())

    expected = {n: optimizer.state[p] for n, p in net.named_parameters() if p in optimizer.state}
    assert found.keys() == expected.keys()
    for name, moments in expected.items():
        for key in ("exp_avg", "exp_avg_sq", "step"):
            assert torch.equal(found[name][key], moments[key])


def test_what_never_learned_has_no_moments() -> None:
    net: Any = network()
    net.encoder.requires_grad_(False)
    optimizer = trained_a_step(net, list(net.parameters()))

    found = moments_by_name(net, optimizer.state_dict())

    assert set(found) == {n for n, p in net.named_parameters() if p.requires_grad}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda net: torch.optim.SGD(net.parameters(), 0.1, momentum=0.9), "no Adam"),
        (lambda net: torch.optim.AdamW(reversed(list(net.parameters()))), "group 0"),
        (lambda net: torch.optim.AdamW(nn.Linear(3, 3).parameters()), "has not made a step"),
    ],
)
def test_what_does_not_fit_is_said(make: Any, said: str) -> None:
    net = network()
    optimizer = make(net)
    net(torch.rand(2, 3, 64, 64)).mean().backward()
    optimizer.step()

    with pytest.raises(MomentsUnmatchedError, match=said):
        moments_by_name(net, optimizer.state_dict())
