"""What a network says of one image, as a page and a program want it."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from decamo.inference.expected import expected_iou

__all__ = ["FoundMap", "png_of", "run_lengths"]


@dataclass(frozen=True)
class FoundMap:
    """What a network says of one image.

    Attributes:
        probability: float32 ``[H, W]`` in [0, 1], that a pixel belongs to a camouflaged object.
        experts: by pyramid level and kind the share that an expert had; empty where there are none.
    """

    probability: NDArray[np.float32]
    experts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def mask(self, threshold: float) -> NDArray[np.bool_]:
        """Bool ``[H, W]``: where the probability is at least the threshold."""
        return np.asarray(self.probability >= threshold)

    def to_plain(self, threshold: float) -> dict[str, Any]:
        """Plain JSON values.

        ``size`` is height and width in px; ``box`` is x, y, width, height of the mask in px, or
        None; ``score`` the mean probability within it; ``rle`` the mask by COCO's run lengths,
        down the columns, the first of them outside; ``map`` the probability as a grey PNG, base64.
        """
        mask = self.mask(threshold)
        return {
            "size": list(mask.shape),
            "threshold": threshold,
            "expected_iou": round(expected_iou(self.probability), 4),
            "area": int(mask.sum()),
            "box": _box(mask),
            "score": round(float(self.probability[mask].mean()), 4) if mask.any() else 0.0,
            "rle": {"size": list(mask.shape), "counts": run_lengths(mask)},
            "map": base64.b64encode(png_of(self.probability)).decode(),
            "experts": {level: dict(kinds) for level, kinds in self.experts.items()},
        }


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """A mask's run lengths as COCO has them uncompressed: down the columns, from outside on."""
    flat = np.concatenate([[False], mask.ravel(order="F")])
    starts = np.flatnonzero(np.diff(flat))
    return [int(n) for n in np.diff(np.concatenate([[0], starts, [mask.size]]))]


def png_of(values: NDArray[Any]) -> bytes:
    """A map in [0, 1], or a mask, as an 8-bit grey PNG: 0 is background, 255 is object."""
    out = io.BytesIO()
    Image.fromarray(np.rint(values.astype(np.float32) * 255).astype(np.uint8)).save(
        out, "PNG", compress_level=1
    )
    return out.getvalue()


def _box(mask: NDArray[np.bool_]) -> list[int] | None:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    left, top = int(columns[0]), int(rows[0])
    return [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1]
