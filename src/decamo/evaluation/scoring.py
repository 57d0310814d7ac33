"""A predictor and pairs in, scores per image out: how training validates.

The same predictor, resizing and way from a map to its scores as ``decamo evaluate``, but several
images a forward pass and maps that are not rounded to 8 bits, for speed: the mean absolute error
may differ in the fourth decimal (docs/decisions/0006 and 0028).
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from decamo.data.pairs import Pair
from decamo.data.read_ahead import ReadAhead
from decamo.data.reading import Labels, read_labelled
from decamo.data.waiting import LISTEN_S, Patience
from decamo.inference.predictor import Predictor
from decamo.metrics import Scores, object_and_ground, scores_of, short_tally

__all__ = ["ImageScores", "Pixels", "score_chunks"]

_Read = tuple[npt.NDArray[np.uint8], Labels]
_SURE = 0.01  # a probability this near to 0 or 1 hardly moves any more: its gradient is p (1 - p)


@dataclass(frozen=True)
class Pixels:
    """What became of an image's pixels at threshold 0.5: counts.

    Attributes:
        all: pixels in the image, without those that are void.
        object: of the object.
        predicted: predicted as object.
        wrong: wrongly classified.
        sure_wrong: wrongly classified with a probability within 0.01 of 0 or 1.
    """

    all: int
    object: int
    predicted: int
    wrong: int
    sure_wrong: int


@dataclass(frozen=True)
class ImageScores:
    """The scores of one image, with the pair they belong to."""

    pair: Pair
    scores: Scores
    pixels: Pixels


def score_chunks(
    predictor: Predictor,
    pairs: Sequence[Pair],
    *,
    batch: int = 8,
    threads: int = 2,
    patience: Patience | None = None,
) -> Iterator[list[ImageScores]]:
    """Scores of each pair at the native size of its mask, in the order of ``pairs``.

    Args:
        predictor: the network.
        pairs: images with masks.
        batch: images in one forward pass, whose scores come together.
        threads: readers; Pillow decodes outside of the interpreter's lock.
        patience: judges how long images are waited for; an empty list comes now and then
            meanwhile. None waits as long as is usual, and for nothing else.

    Raises:
        UnreadableImage: a file cannot be decoded.
        DataStalled: a file is not read to its end.
    """
    with closing(_read_ahead(pairs, batch, threads, patience or Patience())) as reading:
        for chunk, read in reading:
            if not chunk:
                if patience is not None:
                    yield []
                continue
            probabilities = predictor.predict([image for image, _ in read])
            yield [
                _scored(pair, probability, labels)
                for pair, (_, labels), probability in zip(chunk, read, probabilities, strict=True)
            ]


def _scored(pair: Pair, probability: npt.NDArray[np.float32], labels: Labels) -> ImageScores:
    inside, outside = object_and_ground(probability, *labels)
    tally = short_tally(inside, outside)
    found, false = tally.half
    pixels = Pixels(
        tally.n,
        tally.n_object,
        found + false,
        tally.n_object - found + false,
        int(np.count_nonzero(inside < _SURE) + np.count_nonzero(outside > 1 - _SURE)),
    )
    return ImageScores(pair, scores_of(tally), pixels)


def _read_ahead(
    pairs: Sequence[Pair], batch: int, threads: int, patience: Patience
) -> Generator[tuple[list[Pair], list[_Read]], None, None]:
    """Chunks of pairs with their arrays; the next chunk is read while this one is used.

    While an image is awaited an empty chunk comes now and then.
    """
    ahead = ReadAhead(
        read_labelled, pairs, threads=threads, ahead=2 * batch, patience=patience, name=_image_of
    )
    with closing(ahead):
        for i in range(0, len(pairs), batch):
            chunk, read = list(pairs[i : i + batch]), list[_Read]()
            while len(read) < len(chunk):
                if (one := ahead.poll(LISTEN_S)) is None:
                    yield [], []
                else:
                    read.append(one.result())
            yield chunk, read


def _image_of(pair: Pair) -> object:
    return pair.image
