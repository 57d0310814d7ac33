import pytest
import torch
from torch import nn

from decamo.errors import CheckpointMismatch
from decamo.nn.weights import load_fitting, named


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def test_weights_that_fit_are_loaded() -> None:
    one, other = network(), network()

    load_fitting(other, one.state_dict(), "x.pth")

    for name, value in one.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)


@pytest.mark.parametrize("kind", ["missing", "unknown", "shape", "renamed"])
def test_what_does_not_fit_is_named_and_nothing_is_changed(kind: str) -> None:
    net = network()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    weights = {k: v + 1 for k, v in net.state_dict().items()}
    if kind in ("missing", "renamed"):
        moved = weights.pop("0.weight")
    if kind == "renamed":
        weights["first.weight"] = moved
    if kind == "unknown":
        weights["2.bias"] = torch.zeros(1)
    if kind == "shape":
        weights["0.weight"] = torch.zeros(2, 4)

    with pytest.raises(CheckpointMismatch) as caught:
        load_fitting(net, weights, "x.pth")

    words = {
        "missing": ["it lacks 0.weight"],
        "unknown": ["the network has no 2.bias"],
        "shape": ["of another shape are 0.weight"],
        "renamed": ["it lacks 0.weight", "the network has no first.weight"],
    }[kind]
    assert caught.value.what == "x.pth"
    assert all(word in caught.value.got for word in words)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_at_most_five_are_named() -> None:
    assert named("abcde") == "a, b, c, d, e"
    assert named("abcdefgh") == "a, b, c, d, e and 3 more"
    assert len(named(["x" * 1000])) == 80
