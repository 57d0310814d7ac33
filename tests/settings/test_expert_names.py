import pytest

import decamo
from decamo.errors import SettingsError
from decamo.settings.expert_names import EXPERT_KINDS, check_experts, expert_name, expert_turns
from decamo.settings.words import level_name


def test_later_turns_are_told_by_their_scale() -> None:
    assert [expert_name(n) for n in (0, 6, 7, 14)] == [
        "texture",
        "strips",
        "texture, scale 2",
        "texture, scale 3",
    ]
    assert len({expert_name(n) for n in range(28)}) == 28
    assert tuple(expert_name(n) for n in range(7)) == EXPERT_KINDS


def test_levels_are_named_by_their_stride() -> None:
    assert [level_name(n) for n in range(4)] == ["stride 4", "stride 8", "stride 16", "stride 32"]


def test_named_experts_keep_their_own_turns() -> None:
    names = ["edges", "texture", "edges"]

    assert expert_turns(names, 3) == [("edges", 0), ("texture", 0), ("edges", 1)]
    assert [expert_name(n, names) for n in range(3)] == ["edges", "texture", "edges, scale 2"]


@pytest.mark.parametrize("name", ["texture", "Mine", "", "a,b", "1st"])
def test_what_cannot_name_an_expert_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="cannot name an expert"):
        decamo.register_expert(name, lambda d: None)


def test_what_nobody_registered_is_named_with_the_remedy() -> None:
    with pytest.raises(SettingsError, match=r"there is no expert 'symmetry'.*register_expert"):
        check_experts(["texture", "symmetry"])
