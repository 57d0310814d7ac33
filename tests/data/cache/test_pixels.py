import torch

from decamo.data.cache.pixels import CHANNELS, square_of
from decamo.data.pairs import Pair
from decamo.data.reading import read_pair
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
