"""An ONNX file that is opened in a thread while its command is still being imported."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # decisions/0007
    from onnxruntime import InferenceSession

__all__ = ["head_start", "opened_beside"]


class _Opening(threading.Thread):
    """Opens a file by itself.

    Attributes:
        path: of the file.
        state: that it was in.
        session: None where it cannot be opened; whoever needs it tries again, and says why.
    """

    def __init__(
        self, path: Path, state: tuple[int, ...], opened: "Callable[[Path], InferenceSession]"
    ) -> None:
        super().__init__(name=f"opening {path.name}")
        self.path, self.state = path, state
        self.session: InferenceSession | None = None
        self._opened = opened

    def run(self) -> None:
        try:
            self.session = self._opened(self.path)
        except Exception:  # of any kind: it is met again where it can be told
            self.session = None


_under_way: list[_Opening] = []


@contextmanager
def head_start(words: Sequence[str]) -> Iterator[None]:
    """Open the ONNX file that a command line begins with, if it does, while the block goes on.

    What nobody has taken by the end of the block is forgotten.

    Args:
        words: of ``decamo predict``, without these two.

    Raises:
        ImportError: onnxruntime is not there, which the file needs.
    """
    path = Path(words[0]) if words and words[0].lower().endswith(".onnx") else None
    state = None if path is None else _state(path)
    if path is not None and state is not None:
        # Imported before the thread begins: two threads that import numpy at once can be told of a
        # deadlock (https://github.com/numpy/numpy/issues/21223; seen with 2.3.4, Python 3.11).
        from decamo.export.onnx_session import new_session

        _under_way[:] = [_Opening(path, state, new_session)]
        _under_way[0].start()
    try:
        yield
    finally:
        _under_way.clear()


def opened_beside(path: Path) -> "InferenceSession | None":
    """The session of this very file, once, if it was begun and nobody has written it since."""
    if not _under_way:
        return None
    opening = _under_way.pop()
    opening.join()
    return opening.session if (opening.path, opening.state) == (path, _state(path)) else None


def _state(path: Path) -> tuple[int, ...] | None:
    """What changes with a file; None where there is none."""
    try:
        found = path.stat() if path.is_file() else None
    except OSError:  # told by whoever opens it
        return None
    return None if found is None else (found.st_ino, found.st_size, found.st_mtime_ns)
