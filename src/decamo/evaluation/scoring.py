"""A predictor and pairs in, scores per image out: how training validates.

The same predictor, resizing and measures as ``decamo evaluate``, but several images a forward pass
and maps that are not rounded to 8 bits, for speed: the mean absolute error may differ in
the fourth decimal (docs/decisions/0006).
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from decamo.data.pairs import Pair
from decamo.data.reading import read_pair
from decamo.inference import Predictor
from decamo.metrics import Scores, score

__all__ = ["ImageScores", "score_pairs"]

_Read = tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class ImageScores:
    """The scores of one image, with the pair they belong to."""

    pair: Pair
    scores: Scores


def score_pairs(
    predictor: Predictor,
    pairs: Sequence[Pair],
    *,
    batch: int = 8,
    threads: int = 2,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[ImageScores]:
    """Scores of each pair at the native size of its mask, in the order of ``pairs``.

    Args:
        predictor: the network.
        pairs: images with masks.
        batch: images in one forward pass.
        threads: readers; Pillow decodes outside of the interpreter's lock.
        on_progress: called with (images done, images in all).

    Raises:
        UnreadableImage: a file cannot be decoded.
    """
    results: list[ImageScores] = []
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        for chunk, read in _read_ahead(pool, pairs, batch):
            probabilities = predictor.predict([image for image, _ in read])
            for pair, (_, mask), probability in zip(chunk, read, probabilities, strict=True):
                results.append(ImageScores(pair, score(probability, mask)))
            on_progress(len(results), len(pairs))
    return results


def _read_ahead(
    pool: ThreadPoolExecutor, pairs: Sequence[Pair], batch: int
) -> Iterator[tuple[Sequence[Pair], list[_Read]]]:
    """Chunks of pairs with their arrays; the next chunk is read while this one is used."""
    chunks = (pairs[i : i + batch] for i in range(0, len(pairs), batch))
    pending = [(chunk, [pool.submit(read_pair, p) for p in chunk]) for chunk in islice(chunks, 2)]
    while pending:
        chunk, futures = pending.pop(0)
        read = [future.result() for future in futures]
        pending.extend((c, [pool.submit(read_pair, p) for p in c]) for c in islice(chunks, 1))
        yield chunk, read
