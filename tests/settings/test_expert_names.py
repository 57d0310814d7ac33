from decamo.settings.words import EXPERT_KINDS, expert_name, level_name


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
