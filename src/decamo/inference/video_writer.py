"""An mp4 that is written frame by frame and is there once it is whole."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError

from decamo.errors import StorageError
from decamo.storage import make_folder, streamed_whole

__all__ = ["VideoWriter"]

# Near lossless: what is drawn differs by a grey level or two. Without frames that refer to later
# ones, no time in the file has to be moved.
_OPTIONS = {"crf": "10", "bf": "0", "preset": "veryfast"}


class VideoWriter:
    """Writes pictures as H.264 in an mp4; a context manager.

    If the block ends by an exception there is no file, and an old one is untouched.

    Args:
        path: of the mp4; its folder is made.
        size: width and height, px.
        rate: frames a second on average.
        time_base: seconds of a unit of time.
        aspect: of a pixel, width to height; None where it is not known.

    Raises:
        StorageError: it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        rate: Fraction,
        time_base: Fraction,
        aspect: Fraction | None = None,
    ) -> None:
        self._path, self._last = path, -(2**62)
        self._time_base = time_base
        make_folder(path.parent)
        with ExitStack() as opened:
            file = opened.enter_context(streamed_whole(path))
            self._container = opened.enter_context(av.open(file, "w", format="mp4"))
            self._stream = stream = self._add_stream(rate)
            stream.width, stream.height = size
            odd = size[0] % 2 or size[1] % 2  # 4:2:0 knows even sides only
            stream.pix_fmt = "yuv444p" if odd else "yuv420p"
            stream.codec_context.time_base = stream.time_base = time_base
            if aspect is not None:
                stream.codec_context.sample_aspect_ratio = aspect
            self._opened = opened.pop_all()

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is not None:
            self._opened.__exit__(*error)
            return
        try:
            with self._opened:
                self._mux(None)
        except (FFmpegError, OSError) as broken:
            said = broken.strerror or str(broken)
            raise StorageError(self._path, said, "check the disk") from broken

    def add(self, picture: npt.NDArray[np.uint8], pts: int, duration: int = 0) -> None:
        """Write a frame.

        Args:
            picture: uint8 ``[H, W]``, grey, or ``[H, W, 3]``, RGB.
            pts: when it is shown, in units of ``time_base``; moved where it is not after the last.
            duration: how long, in those units; 0 where that is not known.

        Raises:
            StorageError: it cannot be written.
        """
        if picture.ndim == 2:
            picture = np.repeat(picture[..., None], 3, axis=2)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        self._last = frame.pts = max(pts, self._last + 1)
        frame.time_base = self._time_base
        if duration:
            frame.duration = duration
        self._mux(frame)

    def _add_stream(self, rate: Fraction) -> Any:
        try:
            return self._container.add_stream("libx264", rate=rate, options=_OPTIONS)
        except ValueError as error:  # a build without it
            remedy = "install PyAV from its wheels: pip install --force-reinstall av"
            raise StorageError(self._path, f"no encoder of H.264 ({error})", remedy) from error

    def _mux(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except FFmpegError as error:
            said = error.strerror or str(error)
            raise StorageError(self._path, said, "check the disk") from error
