"""A video that was predicted, as a line says it."""

from dataclasses import asdict, dataclass
from typing import Any

from decamo.inference.inputs import VideoItem
from decamo.inference.prediction_log import stamp_of

__all__ = ["VideoResult"]


@dataclass(frozen=True)
class VideoResult:
    """A video that is done.

    Attributes:
        source: the video, as the user would name it.
        stamp: length in bytes and time of change in ns of its file.
        output: the mp4.
        frames: that were predicted.
        broken: that could not be decoded.
        rate: frames a second on average.
        seconds: it took.
    """

    source: str
    stamp: tuple[int, int]
    output: str
    frames: int
    broken: int
    rate: float
    seconds: float

    def to_plain(self) -> dict[str, Any]:
        """A flat dict for JSON."""
        return asdict(self) | {"seconds": round(self.seconds, 4)}

    def holds_for(self, item: VideoItem) -> bool:
        """Whether the mp4 is there, and the video is the one that it was made of."""
        there = self.output == str(item.output) and item.output.is_file()
        return there and tuple(self.stamp) == stamp_of(item.source)
