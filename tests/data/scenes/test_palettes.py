import numpy as np

from decamo.data.scenes.ground import Palette, draw_palette, paint


def test_brighter_tones_are_brighter_in_every_channel_and_palette() -> None:
    rng = np.random.default_rng(0)
    tone = np.tile(np.linspace(0, 1, 64), (2, 1))
    hue = np.array([[0.0], [1.0]]) * np.ones((1, 64))
    for _ in range(50):
        colour = paint(tone, hue, draw_palette(rng))
        assert colour.shape == (2, 64, 3)
        assert (np.diff(colour, axis=1) > 0).all()


def test_paint_meets_the_stops_and_blends_the_ramps() -> None:
    first = np.arange(15, dtype=np.float64).reshape(5, 3)
    palette = Palette(first, first + 100)
    got = paint(np.array([[0.0, 0.25, 1.0, 7.0]]), np.array([[0.0, 1.0, 0.5, 0.0]]), palette)
    np.testing.assert_allclose(got[0], [first[0], first[1] + 100, first[4] + 50, first[4]])
