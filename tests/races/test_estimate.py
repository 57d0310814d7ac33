from dataclasses import replace

import pytest

from decamo.races import standard_branches
from decamo.races.successive_halving import full_settings, race_seconds
from tests.history.test_records import RECORD
from tests.races.build import start

EPOCH = replace(RECORD, stage=2, img_size=352, train_seconds=100.0, val_seconds=10.0)


def test_branches_take_time_by_their_pixels_and_one_validation_more() -> None:
    here = start(img_size=352)
    sizes = [full_settings(b, here).schedule.img_size for b in standard_branches(here)]
    assert max(sizes) > 352
    wanted = sum(3 * (100 * (size / 352) ** 2 + 10) + 10 for size in sizes)
    assert race_seconds(here, 3, [EPOCH]) == pytest.approx(wanted)


def test_epochs_of_the_same_stage_count_the_last_five_of_them() -> None:
    here = start(img_size=352)
    slow = replace(EPOCH, train_seconds=1e6)
    frozen = replace(EPOCH, stage=1, train_seconds=1e6)
    known = [slow, *[EPOCH] * 5, frozen]
    assert race_seconds(here, 3, known) == pytest.approx(race_seconds(here, 3, [EPOCH]))


def test_what_was_not_timed_is_not_known() -> None:
    assert race_seconds(start(), 3, [replace(EPOCH, stage=1)]) is None
