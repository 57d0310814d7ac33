from dataclasses import replace

import torch

from decamo.data.cache.identity import CHANNELS, channels_of, square_of
from decamo.data.pairs import Pair
from decamo.data.reading import read_pair
from decamo.data.rules import MaskMeaning, Plane, ReadingRule, Rest
from decamo.geometry import Squash


def test_a_square_is_the_squashed_pair(pairs: tuple[Pair, ...]) -> None:
    for pair in pairs:
        image, mask = read_pair(pair, at_least=96)
        square = square_of(pair, 96)
        assert square.shape == (96, 96, CHANNELS)
        assert square.dtype == torch.uint8
        assert square.is_contiguous()
        planes = torch.from_numpy(image).permute(2, 0, 1)
        assert torch.equal(
            square[..., :3].permute(2, 0, 1), Squash(image.shape[:2], 96).apply(planes)
        )
        on = Squash(mask.shape, 96).apply_mask(torch.from_numpy(mask))
        assert torch.equal(square[..., 3] >= 128, on)


def test_squares_of_a_run_with_void_have_a_fifth_channel(pairs: tuple[Pair, ...]) -> None:
    void = ReadingRule(MaskMeaning(Plane.LEVELS, (), (0,), (255,), Rest.OBJECT))
    mixed = (pairs[0], replace(pairs[1], rule=void))
    assert (channels_of(pairs), channels_of(mixed)) == (CHANNELS, CHANNELS + 1)
    plain, blank = (square_of(pair, 64, 5) for pair in mixed)
    assert torch.equal(plain[..., 4], plain[..., 3])
    assert torch.equal(plain[..., :4], square_of(pairs[0], 64))
    assert not blank[..., 3].any()  # all of its white is void under that rule
    assert torch.equal(blank[..., 4], square_of(pairs[1], 64)[..., 3])
