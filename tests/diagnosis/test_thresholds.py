import pytest

from decamo.diagnosis import SITUATION, TARGET, Thresholds


def test_the_action_plans_examples_lie_on_their_sides() -> None:
    t = Thresholds()
    assert pytest.approx(t.plateau_pace) == 0.01 / 17
    assert t.plateau_pace > (0.6281 - 0.6221) / 20  # still stuck
    assert t.plateau_pace < (0.6534 - 0.6221) / 20 == pytest.approx(t.moving_pace)  # slow
    assert t.moving_pace < t.healthy_pace < (0.6834 - 0.6221) / 20  # good signs
    assert t.healthy_pace < 0.04 / 20 + 1e-9  # "improved by +0.04 to +0.05" after 20 epochs
    assert t.loss_factor < 1.5678 / 0.2341
    assert t.drop < 0.6350 - 0.1234
    assert pytest.approx(0.66) == 0.62 + t.review_share * (TARGET - 0.62)
    assert pytest.approx(0.70) == TARGET - t.near
    assert (SITUATION.epoch, SITUATION.iou) == (86, 0.6221)
