"""A run with a plain ViT goes on as any other does."""

from pathlib import Path
from typing import Any

import pytest
import torch

from decamo.errors import CheckpointMismatch
from decamo.history import GroupsOpened, Interrupted
from tests.training.conftest import Make, assert_equal, everything

PLAIN: dict[str, dict[str, Any]] = {
    "model": {"backbone": "test_vit"},
    "schedule": {"batch_size": 4, "stage2_batch_size": 4, "accumulation_steps": 1},
}


# Steps: 0-2 in stage 1, 3-11 in stage 2, whose levels open at 3, 6 and 9.
@pytest.mark.long
@pytest.mark.parametrize("stop", range(1, 12))
def test_stopped_and_continued_it_ends_bit_equal(make: Make, stop: int) -> None:
    whole = make("whole", **PLAIN)
    events = list(whole.run())
    assert [len(e.learning) for e in events if isinstance(e, GroupsOpened)] == [1, 2, 3, 5]
    part = make("parts", stop_after=stop, **PLAIN)
    assert isinstance(list(part.run())[-1], Interrupted)
    torch.manual_seed(999)
    rest = make("parts", resume_from=part.folder.last, **PLAIN)
    list(rest.run())
    assert_equal(everything(rest), everything(whole))


def test_a_network_built_for_one_size_goes_on_at_that_alone(make: Make, tmp_path: Path) -> None:
    windows = {"model": {"backbone": "test_coatnet"}}
    part = make("parts", stop_after=1, schedule={"img_size": 96}, **windows)
    list(part.run())
    with pytest.raises(CheckpointMismatch, match=r"--img-size 128; give --img-size 96"):
        make("other", resume_from=part.folder.last, schedule={"img_size": 128}, **windows)
