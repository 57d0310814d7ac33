"""Uploads are decoded in a process of their own, whose death or delay is an answer like others."""

import json
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decamo.data.reading import read_image
from decamo.data.rules import ReadingRule
from decamo.errors import DecamoError
from decamo.system import clean_context, ignore_stop_signals

__all__ = ["Undecodable", "UploadDecoder"]

_START_S = 120.0  # a cold start imports the whole package from what may be a slow disk
_READY = b"ready"


class Undecodable(Exception):
    """An upload that is no image we take; the message is for the person who sent it."""


def decode_upload(upload: bytes, folder: Path, max_pixels: int) -> NDArray[np.uint8]:
    """Decode as any other image is decoded, from a file of a name of our own.

    Raises:
        DecamoError: no image that can be read.
    """
    path = folder / "upload"
    try:
        path.write_bytes(upload)
        return read_image(path, rule=ReadingRule(max_pixels=max_pixels))
    finally:
        path.unlink(missing_ok=True)


@dataclass
class UploadDecoder:
    """One process that decodes one upload at a time; a dead or hung one is replaced.

    The upload and its pixels travel as bytes: a process that a hostile file took over can tell
    lies, but cannot make this one run anything.

    Args:
        max_pixels: the largest image that is decoded.
        timeout_s: longest time for one image; the process is then killed.
        work: what decodes; see :func:`decode_upload`.
    """

    max_pixels: int
    timeout_s: float
    work: Callable[[bytes, Path, int], NDArray[np.uint8]] = decode_upload

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._folder = Path(tempfile.mkdtemp(prefix="decamo-serve-"))
        self._process: Any = None
        self._pipe: Connection | None = None

    def decode(self, upload: bytes) -> NDArray[np.uint8]:
        """The pixels of an upload.

        Returns:
            uint8 ``[H, W, 3]``, RGB, as displayed.

        Raises:
            Undecodable: no image, too large, or its decoding died or took too long.
        """
        with self._lock:
            try:
                answer = self._ask(self._started(), upload)
            except (EOFError, OSError, ValueError, KeyError) as error:
                self._end()
                raise Undecodable("decoding it ended the process that decodes") from error
            if answer is None:
                self._end()
                raise Undecodable(f"decoding it took longer than {self.timeout_s:g} s")
        if isinstance(answer, str):
            raise Undecodable(answer)
        return answer

    def _ask(self, pipe: Connection, upload: bytes) -> NDArray[np.uint8] | str | None:
        """The pixels, or why there are none; None where no answer came in time."""
        pipe.send_bytes(upload)
        if not pipe.poll(self.timeout_s):
            return None
        header = json.loads(pipe.recv_bytes())
        if "error" in header:
            return str(header["error"])
        height, width = map(int, header["size"])
        return np.frombuffer(pipe.recv_bytes(), np.uint8).reshape(height, width, 3)

    def close(self) -> None:
        """End the process and remove its folder."""
        with self._lock:
            self._end()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _started(self) -> Connection:
        if self._process is not None and self._process.is_alive() and self._pipe is not None:
            return self._pipe
        self._end()
        context: Any = clean_context()
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self.work, self._folder, self.max_pixels), daemon=True
        )
        self._process.start()
        theirs.close()
        if not self._pipe.poll(_START_S) or self._pipe.recv_bytes() != _READY:
            self._end()
            raise Undecodable("the process that decodes does not start")
        return self._pipe

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None


def _serve(pipe: Connection, work: Callable[..., Any], folder: Path, max_pixels: int) -> None:
    ignore_stop_signals()
    pipe.send_bytes(_READY)
    while True:
        try:
            upload = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        try:
            pixels = np.ascontiguousarray(work(upload, folder, max_pixels))
        except DecamoError as error:
            pipe.send_bytes(json.dumps({"error": error.got}).encode())
        else:
            pipe.send_bytes(json.dumps({"size": pixels.shape[:2]}).encode())
            pipe.send_bytes(pixels.tobytes())
