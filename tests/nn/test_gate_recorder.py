import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from decamo.nn import NetworkOutput
from decamo.nn.expert_recorders import GateRecorder, Routing, entropy_share, routing_of

WEIGHTS = st.lists(st.floats(0, 1), min_size=2, max_size=9).filter(lambda w: sum(w) > 0.1)


@given(WEIGHTS)
def test_entropy_is_that_of_the_textbook(weights: list[float]) -> None:
    gates = [w / sum(weights) for w in weights]
    found = float(entropy_share(torch.tensor(gates, dtype=torch.float64)))
    expected = -sum(g * math.log(g) for g in gates if g > 0) / math.log(len(gates))
    assert found == pytest.approx(expected, abs=1e-9)


def test_entropy_of_even_gates_is_one_and_of_one_expert_nothing() -> None:
    assert entropy_share(torch.full((3, 7), 1 / 7)).tolist() == pytest.approx([1, 1, 1])
    assert entropy_share(torch.eye(4)).tolist() == [0, 0, 0, 0]
    assert entropy_share(torch.ones(2, 1)).tolist() == [1, 1]


def test_few_experts_an_image_is_not_few_experts_in_all() -> None:
    """Level 0: an expert for each image in turn; level 1: always the first."""
    images = [torch.stack((torch.eye(4)[n % 4], torch.eye(4)[0])) for n in range(8)]
    found = routing_of(images)
    assert found is not None
    assert [list(row) for row in found.gates] == [[0.25] * 4, [1, 0, 0, 0]]
    assert list(found.entropy) == [0, 0]
    assert list(found.balance) == [1, 0]


@given(st.integers(0, 2**32))
def test_balance_is_never_below_entropy(seed: int) -> None:
    gates = torch.rand(5, 2, 3, generator=torch.Generator().manual_seed(seed)).softmax(-1)
    found = routing_of(list(gates))
    assert found is not None
    assert all(b >= e - 1e-6 for b, e in zip(found.balance, found.entropy, strict=True))


def test_of_no_image_nothing_is_known() -> None:
    assert routing_of([]) == Routing()


class Told(nn.Module):
    """Its gates are its input."""

    def forward(self, gates: Tensor) -> NetworkOutput:
        return NetworkOutput(logits=gates, side=(), gates=gates, usage=gates.mean(1))


def test_each_image_is_heard_within_the_block_only() -> None:
    model, gates = Told(), torch.rand(2, 5, 3)
    model(gates)
    with GateRecorder(model) as heard:
        model(gates[:, :4])
        model(gates[:, 4:])
    model(gates)
    assert len(heard) == 2
    assert torch.equal(torch.stack(heard.images(), dim=1), gates)


def test_what_was_given_up_is_forgotten() -> None:
    model, gates = Told(), torch.rand(2, 5, 3)
    with GateRecorder(model) as heard:
        model(gates[:, :2])
        passes = len(heard)
        model(gates[:, 2:])
        heard.forget(passes)
        model(gates[:, 2:3])
    assert torch.equal(torch.stack(heard.images(), dim=1), gates[:, :3])
    with GateRecorder(model) as nothing:
        pass
    assert nothing.images() == []


def test_half_precision_and_inference_mode_are_heard_alike() -> None:
    model = Told()
    with GateRecorder(model) as heard, torch.inference_mode():
        model(torch.full((1, 1, 2), 0.5, dtype=torch.float16))
    assert heard.images()[0].dtype == torch.float32
    assert routing_of(heard.images()) != Routing()
