"""A predictor and pairs in, scores per image out: how training validates.

The same predictor, resizing and measures as ``decamo evaluate``, but several images a forward pass
and maps that are not rounded to 8 bits, for speed: the mean absolute error may differ in
the fourth decimal (docs/decisions/0006).
"""

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from decamo.data.pairs import Pair
from decamo.data.reading import Labels, read_labelled
from decamo.inference.predictor import Predictor
from decamo.metrics import Scores, score

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
    predictor: Predictor, pairs: Sequence[Pair], *, batch: int = 8, threads: int = 2
) -> Iterator[list[ImageScores]]:
    """Scores of each pair at the native size of its mask, in the order of ``pairs``.

    Args:
        predictor: the network.
        pairs: images with masks.
        batch: images in one forward pass, whose scores come together.
        threads: readers; Pillow decodes outside of the interpreter's lock.

    Raises:
        UnreadableImage: a file cannot be decoded.
    """
    with (
        ThreadPoolExecutor(max(threads, 1)) as pool,
        closing(_read_ahead(pool, pairs, batch)) as reading,
    ):
        for chunk, read in reading:
            probabilities = predictor.predict([image for image, _ in read])
            yield [
                ImageScores(pair, score(probability, *labels), _pixels(probability, *labels))
                for pair, (_, labels), probability in zip(chunk, read, probabilities, strict=True)
            ]


def _pixels(
    probability: npt.NDArray[np.float32],
    mask: npt.NDArray[np.bool_],
    void: npt.NDArray[np.bool_] | None,
) -> Pixels:
    if void is not None:
        probability, mask = probability[~void], mask[~void]
    predicted = probability >= 0.5
    wrong = probability[predicted != mask]
    sure = np.count_nonzero((wrong < _SURE) | (wrong > 1 - _SURE))
    return Pixels(
        mask.size,
        int(np.count_nonzero(mask)),
        int(np.count_nonzero(predicted)),
        wrong.size,
        int(sure),
    )


def _read_ahead(
    pool: ThreadPoolExecutor, pairs: Sequence[Pair], batch: int
) -> Generator[tuple[Sequence[Pair], list[_Read]], None, None]:
    """Chunks of pairs with their arrays; the next chunk is read while this one is used."""
    chunks = (pairs[i : i + batch] for i in range(0, len(pairs), batch))
    pending = [
        (chunk, [pool.submit(read_labelled, p) for p in chunk]) for chunk in islice(chunks, 2)
    ]
    while pending:
        chunk, futures = pending.pop(0)
        read = [future.result() for future in futures]
        pending.extend((c, [pool.submit(read_labelled, p) for p in c]) for c in islice(chunks, 1))
        yield chunk, read
