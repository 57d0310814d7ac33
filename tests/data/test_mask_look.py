import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.data.mask_look import FEW, MaskLook, look_at_mask
from decamo.data.reading import see_mask
from decamo.data.rules import MaskMeaning, Plane, Rest
from tests.data.mask_sets import SETS, save_set


@pytest.mark.parametrize("name", SETS)
def test_a_look_survives_json(tmp_path: Path, name: str) -> None:
    look = see_mask(save_set(tmp_path, name, 1)[0])
    assert MaskLook.from_plain(json.loads(json.dumps(look.to_plain()))) == look
    assert look.total == 96 * 128


def test_values_by_brute_force() -> None:
    codes = np.array([[0, 0, 7, 7], [0, 5, 5, 7], [0, 0, 0, 7]], dtype=np.uint8)
    look = look_at_mask(Image.fromarray(codes), lossy=False)
    assert [(v.code, v.count, v.border, v.sides) for v in look.values] == [
        (0, 6, 8, 1 | 2 | 4),
        (5, 2, 0, 0),
        (7, 4, 6, 1 | 2 | 8),
    ]
    # runs along rows: 0 in 3, 5 in 1, 7 in 3; along columns: 0 in 4, 5 in 2, 7 in 2
    assert [v.thickness for v in look.values] == [1.5, 1.0, 1.3]


def test_many_levels_are_told_in_sixteenths() -> None:
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)
    look = look_at_mask(Image.fromarray(codes), lossy=True)
    assert look.values == ()
    assert (look.bins, look.half, look.sides) == ((16,) * 16, 1, 2 | 4 | 8)
    assert look_at_mask(Image.fromarray(codes % FEW), lossy=True).codes == set(range(FEW))


def test_shares_are_told_where_the_values_can_tell() -> None:
    codes = np.array([[0, 1, 1, 255]], dtype=np.uint8)
    look = look_at_mask(Image.fromarray(codes), lossy=False)
    meaning = MaskMeaning(Plane.LEVELS, ground=(0,), void=(255,), rest=Rest.OBJECT)
    assert look.shares(meaning) == (2, 1)
    assert look.shares(MaskMeaning()) is None
    assert look.shares(MaskMeaning(Plane.COLOUR, ground=(0,))) is None
