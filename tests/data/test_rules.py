import json

import numpy as np
import pytest

from decamo.data.rules import (
    VOID,
    MaskMeaning,
    PixelScale,
    Plane,
    ReadingRule,
    Rest,
    label_codes,
)

MEANINGS = [
    MaskMeaning(Plane.LEVELS, (1, 9), (0,), (255,), Rest.VOID),
    MaskMeaning(Plane.LEVELS, (), (0,), (255,), Rest.OBJECT),
    MaskMeaning(Plane.LEVELS, (7,), (), (2,), Rest.GROUND),
    MaskMeaning(Plane.LEVELS, (100,), (0,), (), Rest.NEAREST),
]


@pytest.mark.parametrize("meaning", MEANINGS)
@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_labels_by_brute_force(meaning: MaskMeaning, dtype: str) -> None:
    codes = np.arange(256).astype(dtype).reshape(16, 16)
    other = {Rest.VOID: VOID, Rest.OBJECT: 1, Rest.GROUND: 0}.get(meaning.rest)
    got = label_codes(codes, meaning)
    assert got.dtype == np.uint8
    for code, label in zip(codes.reshape(-1).tolist(), got.reshape(-1).tolist(), strict=True):
        if code in meaning.object or code in meaning.ground or code in meaning.void:
            want = 1 if code in meaning.object else 0 if code in meaning.ground else VOID
        else:
            want = int(code >= 50) if other is None else other
        assert label == want, code


@pytest.mark.parametrize("meaning", [MaskMeaning(), *MEANINGS])
@pytest.mark.parametrize("scale", [None, PixelScale(-5, 3000.5)])
def test_a_rule_survives_json(meaning: MaskMeaning, scale: PixelScale | None) -> None:
    rule = ReadingRule(meaning, scale, 10**9)
    assert ReadingRule.from_plain(json.loads(json.dumps(rule.to_plain()))) == rule


def test_void_is_known_beforehand() -> None:
    assert [m.has_void for m in (MaskMeaning(), *MEANINGS)] == [False, True, True, True, False]


def test_a_scale_brings_its_ends_to_black_and_white() -> None:
    values = np.array([-9.0, 10, 20, 30, 99, np.nan, np.inf, -np.inf])
    assert PixelScale(10, 30).to_bytes(values).tolist() == [0, 0, 128, 255, 255, 0, 255, 0]


def test_all_of_16_bits_is_scaled_as_ever() -> None:
    values = np.arange(65536)
    assert np.array_equal(PixelScale(0, 65535).to_bytes(values), (values + 128) // 257)


def test_the_nearest_colour_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 2**24, (40, 50))
    named = {0xFF0000: 1, 0x00FF00: 1, 0xFFFFFF: 0, 0x102030: VOID}
    meaning = MaskMeaning(Plane.COLOUR, (0xFF0000, 0x00FF00), (0xFFFFFF,), (0x102030,))
    channels = [(c >> 16 & 255, c >> 8 & 255, c & 255) for c in colours.ravel().tolist()]
    want = [
        min(named.items(), key=lambda n: (sum((a - (n[0] >> s & 255)) ** 2 for a, s
                                              in zip(one, (16, 8, 0), strict=True)), -n[0]))[1]
        for one in channels
    ]  # fmt: skip
    assert label_codes(colours, meaning).ravel().tolist() == want
