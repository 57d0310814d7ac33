"""Real videos for tests, by PyAV."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

TICK = Fraction(1, 12800)


def frame_at(number: int, size: tuple[int, int] = (64, 48)) -> npt.NDArray[np.uint8]:
    """A red square that wanders over green: uint8 ``[H, W, 3]``."""
    width, height = size
    picture = np.full((height, width, 3), (20, 110, 60), dtype=np.uint8)
    left = number % (width // 2)
    picture[8:24, left : left + 16] = (230, 40, 40)
    return picture


def write_clip(
    path: Path,
    frames: int,
    *,
    size: tuple[int, int] = (64, 48),
    rate: int = 25,
    steps: tuple[int, ...] = (1,),
    codec: str = "libx264",
) -> Path:
    """An mp4 of :func:`frame_at`; the times between frames go through ``steps`` in turn."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p" if not (size[0] % 2 or size[1] % 2) else "yuv444p"
        stream.codec_context.time_base = stream.time_base = TICK
        pts = 0
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(frame_at(number, size), format="rgb24")
            frame.pts, frame.time_base = pts, TICK
            frame.duration = steps[number % len(steps)] * 12800 // rate
            pts += frame.duration
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turned(path: Path) -> Path:
    """The same mp4, to be displayed a quarter turn clockwise, as phones say it."""
    data = bytearray(path.read_bytes())
    matrix = data.find(b"tkhd") + 4 + 40  # ISO/IEC 14496-12, 8.3.2, version 0
    turn = (0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    data[matrix : matrix + 36] = struct.pack(">9i", *turn)
    path.write_bytes(data)
    return path


def broken_at(path: Path, number: int) -> Path:
    """The same mp4, the packet of that number full of nonsense."""
    with av.open(str(path)) as container:
        packets = [(p.pos or 0, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    begin, size = packets[number]
    data[begin + 4 : begin + size] = b"\xff" * (size - 4)
    path.write_bytes(data)
    return path


def times_of(path: Path) -> list[float]:
    """When each frame is shown, s."""
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0)]
