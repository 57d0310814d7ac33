"""The frames of a video or a camera, one after the other, as they are displayed.

PyAV (FFmpeg's libraries) decodes. One frame is held at a time, however long the video is.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.device import enumerate_input_devices
from av.error import FFmpegError

from decamo.errors import DataError, UnreadableImage
from decamo.inference.inputs import VideoItem

__all__ = ["ReadFrame", "VideoReader"]

_REMEDY = "name a video that a player plays to its end, or convert it to mp4"
# A video may name further files and addresses to be read; none of them is.
_NO_OTHER_FILES = {"protocol_whitelist": "none"}


@dataclass(frozen=True)
class ReadFrame:
    """One frame.

    Attributes:
        image: uint8 ``[H, W, 3]``, RGB, upright.
        number: in its video, from 0 on; frames that cannot be decoded count.
        pts: when it is shown, in units of the reader's ``time_base``.
        time_s: the same in seconds.
        duration: how long, in those units; 0 where that is not known.
    """

    image: npt.NDArray[np.uint8] = field(repr=False)
    number: int
    pts: int
    time_s: float
    duration: int


class VideoReader:
    """The frames of a video; a context manager to iterate over once.

    Args:
        item: a file or a camera.
        on_broken: called with a line for each frame that is broken.

    Attributes:
        rate: frames a second on average.
        time_base: seconds of a unit of time.
        aspect: of a pixel, width to height; None where the file says nothing.
        frames: how many there should be; None where nobody knows.
        broken: how many could not be decoded so far.

    Raises:
        UnreadableImage: it is no video that can be read.
        DataError: there is no such camera.
    """

    def __init__(self, item: VideoItem, on_broken: Callable[[str], None]) -> None:
        self._item, self._on_broken = item, on_broken
        self.broken = 0
        with ExitStack() as opened:
            self._container = opened.enter_context(self._open(opened))
            if not self._container.streams.video:
                raise UnreadableImage(item.source, "no pictures in it", _REMEDY)
            self._stream = stream = self._container.streams.video[0]
            self.rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
            self.time_base = Fraction(stream.time_base or 1 / self.rate)
            shape = stream.sample_aspect_ratio
            self.aspect = Fraction(shape) if shape else None
            self.frames = stream.frames or None
            self._opened = opened.pop_all()

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def __iter__(self) -> Iterator[ReadFrame]:
        number, first = 0, None
        for packet in self._packets():
            try:
                decoded = packet.decode()
            except FFmpegError as error:
                self.broken += 1
                said = error.strerror or str(error)
                self._on_broken(f"{self._item.source}: frame {number} is broken ({said}), left out")
                number += 1
                continue
            for frame in decoded:
                if frame.is_corrupt:
                    self._on_broken(f"{self._item.source}: frame {number} is damaged in parts")
                pts = self._pts(frame, number)
                first = pts if first is None else first
                image = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
                time_s = float((pts - first) * self.time_base)
                upright = np.ascontiguousarray(image)
                yield ReadFrame(upright, number, pts, time_s, frame.duration or 0)
                number += 1

    def _packets(self) -> Iterator[Any]:
        try:
            yield from self._container.demux(self._stream)
        except FFmpegError as error:
            self.broken += 1
            said = error.strerror or str(error)
            self._on_broken(f"{self._item.source}: it breaks off ({said})")

    def _pts(self, frame: Any, number: int) -> int:
        if frame.pts is not None and frame.time_base:
            return round(frame.pts * Fraction(frame.time_base) / self.time_base)
        return round(number / self.rate / self.time_base)

    def _open(self, opened: ExitStack) -> Any:
        item = self._item
        try:
            if item.camera is not None:
                name, kind = _camera_of(item.camera)
                return av.open(name, format=kind)
            file = opened.enter_context(item.source.open("rb"))
            return av.open(file, options=_NO_OTHER_FILES)
        except (FFmpegError, OSError) as error:
            said = error.strerror or str(error)
            if item.camera is not None:
                remedy = "plug it in, or give another number: the first camera is camera:0"
                raise DataError(item.source, f"no such camera ({said})", remedy) from error
            raise UnreadableImage(
                item.source, f"no video that can be read ({said})", _REMEDY
            ) from (error)


def _camera_of(index: int) -> tuple[str, str]:
    """What FFmpeg calls a camera of this machine, and what opens it."""
    if sys.platform == "darwin":
        return str(index), "avfoundation"
    if sys.platform == "win32":  # DirectShow knows names alone
        names = [one.name for one in enumerate_input_devices("dshow")]
        if index >= len(names):
            raise OSError(2, f"{len(names)} devices")
        return f"video={names[index]}", "dshow"
    return f"/dev/video{index}", "v4l2"
