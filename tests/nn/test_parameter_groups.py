import pytest
import torch
from torch import nn

from decamo.nn.segmentation_network import let_learn

NAMES = {"head": ("a", "b"), "backbone.0": ("c",), "backbone.1": ()}


def made() -> dict[str, dict[str, nn.Parameter]]:
    return {
        group: {name: nn.Parameter(torch.zeros(2)) for name in names}
        for group, names in NAMES.items()
    }


def learning(groups: dict[str, dict[str, nn.Parameter]]) -> set[str]:
    return {n for group in groups.values() for n, p in group.items() if p.requires_grad}


def test_exactly_the_groups_named_learn_whatever_learned_before() -> None:
    groups = made()
    let_learn(groups, {"head"})
    assert learning(groups) == {"a", "b"}
    let_learn(groups, ["backbone.0", "backbone.1"])
    assert learning(groups) == {"c"}
    let_learn(groups, ())
    assert learning(groups) == set()


def test_an_unknown_group_is_named_and_nothing_is_changed() -> None:
    groups = made()
    let_learn(groups, {"backbone.0"})
    with pytest.raises(ValueError, match=r"no parameter group \['tail'\]; there are \['head'"):
        let_learn(groups, {"head", "tail"})
    assert learning(groups) == {"c"}
