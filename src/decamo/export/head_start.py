"""An ONNX file that is opened in a thread while its command is still being imported."""

import threading
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # decisions/0007
    from onnxruntime import InferenceSession

__all__ = ["open_beside", "opened_beside"]


class _Opening(threading.Thread):
    """Opens a file by itself.

    Attributes:
        of: which file, in which state.
        session: None where it cannot be opened; whoever needs it tries again, and says why.
    """

    def __init__(self, path: Path, opened: "Callable[[Path], InferenceSession]") -> None:
        super().__init__(name=f"opening {path.name}")
        self.of = _state(path)
        self.session: InferenceSession | None = None
        self._opened = opened

    def run(self) -> None:
        try:
            self.session = self._opened(self.of[0])
        except Exception:  # of any kind: it is met again where it can be told
            self.session = None


_under_way: list[_Opening] = []


def open_beside(words: Sequence[str]) -> None:
    """Begin to open the first ONNX file that a command line names, if there is one."""
    named = [Path(word) for word in words if word.lower().endswith(".onnx")]
    path = next((path for path in named if path.is_file()), None)
    if path is None or find_spec("onnxruntime") is None:
        return
    # Imported before the thread begins: two threads that import numpy at once can be told of a
    # deadlock (https://github.com/numpy/numpy/issues/21223; seen with 2.3.4, Python 3.11).
    from decamo.export.onnx_session import new_session

    _under_way[:] = [_Opening(path, new_session)]
    _under_way[0].start()


def opened_beside(path: Path) -> "InferenceSession | None":
    """The session of this very file, once, if it was begun and nobody has written it since."""
    if not _under_way:
        return None
    opening = _under_way.pop()
    opening.join()
    return opening.session if opening.of == _state(path) else None


def _state(path: Path) -> tuple[Path, Any]:
    found = path.stat()
    return path, (found.st_ino, found.st_size, found.st_mtime_ns)
