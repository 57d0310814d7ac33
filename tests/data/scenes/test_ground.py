import numpy as np

from decamo.data.scenes.ground import draw_ground


def test_fields_stay_in_their_ranges_and_keep_contrast() -> None:
    for seed in range(20):
        ground = draw_ground(np.random.default_rng(seed), 64)
        for field in (ground.tone, ground.hue, ground.light):
            assert field.shape == (64, 64)
        assert ground.tone.min() >= 0
        assert ground.tone.max() <= 1
        assert ground.tone.std() > 0.08
        assert ground.hue.min() >= 0
        assert ground.hue.max() <= 1
        assert 0.85 < ground.light.min() < ground.light.max() < 1.15


def test_a_ground_is_repeatable() -> None:
    one, two = (draw_ground(np.random.default_rng(9), 64) for _ in range(2))
    np.testing.assert_array_equal(one.tone, two.tone)
    np.testing.assert_array_equal(one.palette.second, two.palette.second)


def test_brightness_wanders_over_a_ground_that_hides_nothing() -> None:
    """Means of 4 x 4 tiles differ by clearly more than the tile means of mere texture."""
    spread = []
    for seed in range(30):
        tone = draw_ground(np.random.default_rng(seed), 64).tone
        spread.append(tone.reshape(4, 16, 4, 16).mean(axis=(1, 3)).std())
    assert np.mean(spread) > 0.06
