"""Predictions of a video: an mp4 of its masks or overlays, and a line for each frame.

Frames come and go one batch at a time: memory does not grow with their number.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from decamo.errors import UnreadableImage
from decamo.inference.figures import figures_of
from decamo.inference.inputs import VideoItem
from decamo.inference.prediction_log import PredictionLog, stamp_of
from decamo.inference.smoothing import Smoothing
from decamo.inference.video_reader import ReadFrame, VideoReader
from decamo.inference.video_result import VideoResult
from decamo.inference.video_writer import VideoWriter
from decamo.inference.views import MapMaker
from decamo.inference.writer import overlay

__all__ = ["VideoWork"]


@dataclass(frozen=True)
class VideoWork:
    """How the frames of videos become those of others.

    Attributes:
        predictor: makes maps.
        log: gets a line for each frame, and one for each video once its mp4 is whole.
        overlays: draw the object on each frame; else grey maps, 0 is ground and 255 is object.
        smooth: seconds of the moving average; 0 for none.
        batch: frames that go through the network together.
        say: called with a line on each broken frame.
        on_frame: called after each frame.
    """

    predictor: MapMaker
    log: PredictionLog
    overlays: bool = False
    smooth: float = 0.0
    batch: int = 1
    say: Callable[[str], None] = lambda _: None
    on_frame: Callable[[], None] = lambda: None

    def run(self, item: VideoItem) -> VideoResult:
        """Predict a video; a camera until the user interrupts it, which ends its mp4 well.

        Raises:
            UnreadableImage: it is no video, or no frame of it can be decoded.
            DataError: there is no such camera.
            StorageError: the mp4 cannot be written; there is none then.
        """
        began, count = time.perf_counter(), 0
        stamp = stamp_of(item.source)
        smoothing = Smoothing(self.smooth)
        with VideoReader(item, self.say) as reader, ExitStack() as opened:
            writer: VideoWriter | None = None
            try:
                for frames in _batches(reader, self.batch):
                    if writer is None:
                        height, width = frames[0].image.shape[:2]
                        timing = reader.rate, reader.time_base, reader.aspect
                        writer = VideoWriter(item.output, (width, height), *timing)
                        opened.enter_context(writer)
                    count += self._write(item, writer, frames, smoothing)
            except KeyboardInterrupt:
                if item.camera is None:
                    raise
            broken = reader.broken
            rate = float(reader.rate)
        if writer is None:
            raise UnreadableImage(item.source, "no frame of it can be decoded", "check the file")
        seconds = time.perf_counter() - began
        result = VideoResult(
            str(item.source), stamp, str(item.output), count, broken, rate, seconds
        )
        self.log.add(result.to_plain())
        return result

    def _write(
        self, item: VideoItem, writer: VideoWriter, frames: list[ReadFrame], smoothing: Smoothing
    ) -> int:
        began = time.perf_counter()
        maps = self.predictor.predict([frame.image for frame in frames])
        for frame, raw in zip(frames, maps, strict=True):
            probability = smoothing(raw, frame.time_s)
            writer.add(self._picture(frame, probability), frame.pts, frame.duration)
            passed, began = time.perf_counter() - began, time.perf_counter()
            line = {"source": str(item.source), "frame": frame.number, "time_s": frame.time_s}
            line |= asdict(figures_of(probability)) | {"seconds": round(passed, 4)}
            self.log.add(line)
            self.on_frame()
        return len(frames)

    def _picture(
        self, frame: ReadFrame, probability: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.uint8]:
        if self.overlays:
            return overlay(frame.image, probability)
        return np.rint(probability * 255).astype(np.uint8)


def _batches(frames: Iterable[ReadFrame], size: int) -> Iterator[list[ReadFrame]]:
    """Lists of so many frames; the last one may be shorter."""
    left = iter(frames)
    while batch := list(islice(left, size)):
        yield batch
