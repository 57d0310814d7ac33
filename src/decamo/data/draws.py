"""Random numbers that depend on a key and on nothing else.

Philox (Salmon et al., 2011) is a block cipher of a counter: no state is carried from one sample
to the next, so a sample looks the same in any worker, in any order and after any resume. Only the
raw words of numpy's bit generator are used: numpy promises them for ever, and promises nothing of
the kind for the distributions built on them (NEP 19).
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["NOISE", "ORDER", "PIXELS", "SCALES", "uniforms", "words"]

ORDER = 1  # purposes of a stream: two purposes never share a number
PIXELS = 2
SCALES = 3
NOISE = 4


def words(purpose: int, seed: int, epoch: int, index: int, count: int) -> NDArray[np.uint64]:
    """``count`` random 64-bit words.

    Args:
        purpose: one of the constants of this module.
        seed: the run's seed, in ``[0, 2**63)``.
        epoch: epoch number, in ``[0, 2**63)``.
        index: number of the sample, in ``[0, 2**63)``.
        count: how many words.
    """
    counter = np.array([0, 0, purpose, index], dtype=np.uint64)
    key = np.array([seed, epoch], dtype=np.uint64)
    raw = np.random.Philox(counter=counter, key=key).random_raw(count)
    return np.asarray(raw, dtype=np.uint64)


def uniforms(purpose: int, seed: int, epoch: int, index: int, count: int) -> list[float]:
    """``count`` floats in ``[0, 1)``, of 53 random bits each; arguments as in :func:`words`."""
    return [int(word) * 2.0**-53 for word in words(purpose, seed, epoch, index, count) >> 11]
