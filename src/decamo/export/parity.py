"""Whether an exported network gives torch's maps: at several sizes and batches, and natively."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
import torch

from decamo.errors import ExportError
from decamo.export.array_resize import squashed
from decamo.export.description import PROBABILITY, ExportDescription, Graph, Parity
from decamo.export.exported_predictor import ExportedPredictor
from decamo.export.graph import ExportGraph
from decamo.inference.predictor import Predictor
from decamo.inference.views import Views
from decamo.nn import SegmentationNetwork

__all__ = ["LARGEST", "compared", "sizes_beside"]

LARGEST = 1e-4
"""Difference of a probability that is still a rounding difference."""

_BATCHES = (1, 5)


def sizes_beside(size: int, described: ExportDescription) -> tuple[tuple[int, int], ...]:
    """Heights and widths to compare at: the own one, others that are no multiple of 64, no square.

    Args:
        size: side of the training images, in px.
        described: which sizes the graph takes.
    """
    if not described.dynamic:
        return ((size, size),)
    step = described.multiple
    steps = size // step
    # odd multiples of 32 px are none of 64
    small = max((3 * steps // 4 - 1 | 1) * step, described.least_side)
    large = max(5 * steps // 4 | 1, steps + 1 | 1) * step
    found = [(size, size), (small, small), (large, large), (large, small)]
    return tuple(dict.fromkeys(found))


def compared(
    network: SegmentationNetwork,
    graph: Graph,
    described: ExportDescription,
    images: Sequence[npt.NDArray[np.uint8]],
    source: str,
) -> Parity:
    """Compare an exported network with the one that it was made from.

    Args:
        network: on the CPU.
        graph: of the exported file.
        described: which sizes it takes.
        images: RGB uint8 ``[H, W, 3]``.
        source: what they are, for people.

    Raises:
        ExportError: a probability differs by more than :data:`LARGEST`.
    """
    size = described.trained.img_size
    sizes = sizes_beside(size, described)
    graphs = max(_by_graph(network, graph, images, sizes))
    ours, theirs = Predictor(network, size), ExportedPredictor(graph, size, Views())
    pairs = ((ours.predict([one])[0], theirs.predict([one])[0]) for one in images)
    maps = max(_apart(*pair) for pair in pairs)
    largest = max(graphs, maps)
    if not largest <= LARGEST:
        raise ExportError(
            network.title,
            f"exported, its probabilities differ by up to {largest:.1e} from torch's, over"
            f" {LARGEST:.0e}",
            "nothing was written; share the network by --to safetensors",
        )
    return Parity(largest, maps, len(images), sizes, _BATCHES, source)


def _by_graph(
    network: SegmentationNetwork,
    graph: Graph,
    images: Sequence[npt.NDArray[np.uint8]],
    sizes: Sequence[tuple[int, int]],
) -> Iterator[float]:
    module = ExportGraph(network).eval()
    for size, count in product(sizes, _BATCHES):
        batch = np.stack([squashed(images[i % len(images)], size) for i in range(count)])
        with torch.inference_mode():
            wanted = module(torch.from_numpy(batch))[1].numpy()
        yield _apart(wanted, graph(batch, PROBABILITY))


def _apart(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """Largest difference; infinite where either is no number."""
    apart = np.abs(one - other).max()
    return float(apart) if np.isfinite(apart) else float("inf")
