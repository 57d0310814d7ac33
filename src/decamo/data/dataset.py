"""Pair -> sample: read, augment, squash."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset

from decamo.data.augment import Augmentation, apply, apply_stored, draw_augmentation
from decamo.data.cache.sample_sources import SampleSource
from decamo.data.pairs import Pair
from decamo.data.reading import read_labelled
from decamo.data.rules import VOID
from decamo.geometry import Squash

__all__ = ["CamouflageDataset", "Draw", "Sample"]

Draw = Callable[[int, int, int], Augmentation]

# A JPEG is decoded at a fraction of its size where the window that is kept has this share of the
# result's side: so nothing is magnified by more than 1.46, as nothing of the cache is.
_LEAST = 0.685


@dataclass(frozen=True)
class Sample:
    """One training example.

    Attributes:
        image: uint8 ``[3, S, S]``, RGB.
        mask: uint8 ``[1, S, S]``: 1 object, 0 ground; ``VOID`` neither, where the data set has it.
        key: the pair's.
    """

    image: Tensor
    mask: Tensor
    key: str


class CamouflageDataset(Dataset[Sample]):
    """Samples of one size, addressed by (epoch, index): the same address gives the same pixels.

    Args:
        pairs: what to read.
        size: side of every sample, in px.
        seed: fixes the augmentation.
        augment: augment, and read large JPEGs at a fraction of their size where the result has
            no use for the rest. Without it a sample is the squashed image, exactly.
        draw: what happens to a sample, a function of (seed, epoch, index) alone.
        source: where images that are augmented come from, squashed before; None reads the files.
            The augmentations drawn are the same, the pixels are resampled once more.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        size: int,
        *,
        seed: int,
        augment: bool,
        draw: Draw = draw_augmentation,
        source: SampleSource | None = None,
    ) -> None:
        self.pairs = tuple(pairs)
        self.size = size
        self.seed = seed
        self.augment = augment
        self._draw = draw
        self.source = source

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, at: tuple[int, int]) -> Sample:
        """The sample at (epoch, index).

        Raises:
            UnreadableImage: a file cannot be decoded.
        """
        epoch, index = at
        pair = self.pairs[index]
        aug = self._draw(self.seed, epoch, index) if self.augment else Augmentation()
        if self.augment and self.source is not None:
            return Sample(*apply_stored(aug, self.source.square(index), self.size), key=pair.key)
        # What is cropped away must be decoded too, so a small window needs a larger picture.
        window = max(1.0, _LEAST / min(aug.crop[2:]))
        enough = math.ceil(self.size * window) if self.augment else None
        pixels, labels = read_labelled(pair, at_least=enough)
        image = torch.from_numpy(pixels).permute(2, 0, 1)
        mask = torch.from_numpy(labels.object).unsqueeze(0)
        void = None if labels.void is None else torch.from_numpy(labels.void).unsqueeze(0)
        if self.augment:
            return Sample(*apply(aug, image, mask, self.size, void), key=pair.key)
        squash = Squash((image.shape[1], image.shape[2]), self.size)
        squashed = squash.apply_mask(mask[0])[None].to(torch.uint8)
        if void is not None:
            squashed[squash.apply_mask((mask | void)[0])[None] & (squashed == 0)] = VOID
        return Sample(squash.apply(image), squashed, key=pair.key)
