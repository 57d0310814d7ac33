import pytest
import torch

from benchmarks.speed_limits import Limit, check_limits, waits_of_a_step
from benchmarks.speed_network import NetworkTerms
from decamo.training.runtime import Runtime

CPU = Runtime(torch.device("cpu"))


def test_a_limit_is_kept_up_to_itself() -> None:
    assert Limit("a", 1.0, 1.0).kept
    assert not Limit("a", 1.1, 1.0).kept


@pytest.mark.parametrize("backbone", ["edgenext_xx_small", "mobilenetv2_035"])
def test_nothing_has_grown(backbone: str) -> None:
    limits = check_limits(NetworkTerms(backbone, 160, 1, 1, CPU))
    assert len(limits) == 4
    for limit in limits:
        assert limit.kept, limit
        assert limit.got > 0.75 * limit.most, f"{limit}: it shrank, and so may its limit"


def test_waits_do_not_grow_with_micro_batches_or_images() -> None:
    one = NetworkTerms("test_efficientnet", 32, 1, 1, CPU)
    three = NetworkTerms("test_efficientnet", 32, 3, 1, CPU)
    assert waits_of_a_step(one) == waits_of_a_step(one, micro_batches=3) == waits_of_a_step(three)
