"""How maps are made of an image: what a network is shown of it, and where an object begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from decamo.errors import SettingsError

__all__ = ["DECISIONS", "MapMaker", "PreparedImage", "Views"]

DECISIONS = ("half", "iou")
"""``half``: object is what is more likely than not.

``iou``: see :func:`decamo.inference.tta.decided`.
"""


@dataclass(frozen=True)
class Views:
    """What of an image a network is shown; its maps are averaged.

    Each view costs a forward pass, a magnified one more than that, by the square of its scale.

    Attributes:
        flips: each view also mirrored left and right.
        scales: magnifications of the square that the network was given. What is magnified is that
            square, not the file, so that every view knows the same pixels.
        closer: then a second look at the window around what was found, cut from the file itself,
            at the network's own size (:mod:`decamo.inference.tta`).

    Raises:
        SettingsError: no scale, one twice, or one beyond a quarter to four times.
    """

    flips: bool = False
    scales: tuple[float, ...] = (1.0,)
    closer: bool = False

    def __post_init__(self) -> None:
        if not self.scales:
            raise SettingsError("--scales", "no scale", "1 is the image as it is")
        for scale in self.scales:
            if not 0.25 <= scale <= 4:
                raise SettingsError("--scales", f"{scale:g}", "choose from 0.25 to 4")
        if len(set(self.scales)) < len(self.scales):
            raise SettingsError("--scales", "a scale is given twice", "give each once")

    @property
    def count(self) -> int:
        """Forward passes for an image."""
        return (len(self.scales) + self.closer) * (2 if self.flips else 1)

    def words(self) -> str:
        """In words, for protocols; ``none`` for the image as it is."""
        parts = ["flip"] if self.flips else []
        if self.scales != (1.0,):
            parts.append("scales " + " ".join(f"{scale:g}" for scale in self.scales))
        if self.closer:
            parts.append("closer look")
        return ", ".join(parts) or "none"


@dataclass(frozen=True)
class PreparedImage:
    """What is left of an image for a network to look at.

    Attributes:
        square: RGB uint8 ``[3, S, S]``.
        native: height and width of the image, in px.
        image: RGB uint8 ``[H, W, 3]``, where a closer look may need it; else None.
    """

    square: npt.NDArray[np.uint8]
    native: tuple[int, int]
    image: npt.NDArray[np.uint8] | None = None


class MapMaker(Protocol):
    """What makes maps of images: a network of torch, or an exported one.

    :meth:`predict` is its three parts one after the other; the first and the last may be called in
    other threads, while the network looks at other images.

    Attributes:
        size: side of the square that images are resized to, in px.
        views: of each image, whose maps are averaged.
        decision: ``half``, or ``iou`` for maps moved to the region of the best expected IoU.
        device: where it runs.
        dtype: half-precision type of its arithmetic; None for float32.
    """

    size: int
    views: Views
    decision: str
    device: Any
    dtype: Any

    def predict(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[npt.NDArray[np.float32]]:
        """Probability that each pixel belongs to a camouflaged object.

        Args:
            images: RGB uint8 ``[H, W, 3]`` each, of any sizes.

        Returns:
            float32 ``[H, W]`` in [0, 1] for each image, at its own size.
        """

    def for_threads(self, callers: int, cores: int) -> "MapMaker | None":
        """One of the same maps whose :meth:`look` may be called by so many threads at once.

        Args:
            callers: threads.
            cores: that they share.

        Returns:
            None where one call at a time is all that there is.
        """

    def enter_thread(self) -> None:
        """To be called in a thread that prepares or finishes while another one runs the network."""

    def prepare(self, image: npt.NDArray[np.uint8]) -> PreparedImage:
        """An image ``[H, W, 3]`` as the network takes it."""

    def look(self, images: Sequence[PreparedImage]) -> list[npt.NDArray[np.float32]]:
        """Logits float32 ``[s, s]`` of each image, by the network; one call at a time."""

    def finish(
        self, logits: npt.NDArray[np.float32], native: tuple[int, int]
    ) -> npt.NDArray[np.float32]:
        """The map float32 ``[H, W]`` of logits ``[s, s]``."""
