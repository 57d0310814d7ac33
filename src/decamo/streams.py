"""Standard output and standard error that no reader, disk, terminal or encoding can break.

A run that prints to a pipe, a log or a terminal must not die of what becomes of it: the reader goes
away (``| head``), the disk with the log is full, the terminal vanishes, the stream was closed from
the start (``>&-``), or its encoding has no such letter (cp1252, ASCII). What cannot be printed is
left out, said once on the other stream, and the work goes on.
"""

import contextlib
import errno
import os
import select
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO, cast

__all__ = ["STANDARD_INPUT", "Streams", "lasting_streams", "printable"]

STANDARD_INPUT = "-"
"""What names it where the path of a file may stand."""


# Letters that we or our libraries print for their looks, and what says the same in ASCII.
_PLAIN = {
    **dict.fromkeys("─━╸╺╴╶—–−‐‑", "-"),
    **dict.fromkeys("│┃┆┊", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╯╰┏┓┗┛┡┩╇╈", "+"),
    **dict.fromkeys("█▉▊▋▌▍▎▏▓▒░", "#"),
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("“”", '"'),
    **{"…": "...", "→": "->", "←": "<-", "↑": "^", "↓": "v", "×": "x", "•": "*", "·": "."},
    **{
        "◀": "<",
        "▶": ">",
        "±": "+-",
        "≥": ">=",
        "≤": "<=",
        "²": "2",
        "✓": "x",
        "\N{NO-BREAK SPACE}": " ",
    },
}
_LOST = 3  # last lines that are told on standard error where standard output was lost
_TAIL = 2000  # letters of what was lost that are kept for it
_WAIT = 5000  # milliseconds that a stopped reader may hold up a run, once
# What may be over by the next line; anything else stays.
_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM}


def printable(text: str, encoding: str | None) -> str:
    """``text`` with what ``encoding`` cannot say in other letters, or as its code point."""
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return "".join(_letter(letter, encoding or "utf-8") for letter in text)
    except LookupError:  # an encoding that nobody knows: what prints everywhere
        return printable(text, "ascii")
    return text


def _letter(letter: str, encoding: str) -> str:
    for candidate in (letter, _PLAIN.get(letter)):
        if candidate is not None:
            with contextlib.suppress(UnicodeEncodeError):
                candidate.encode(encoding)
                return candidate
    return letter.encode("ascii", "backslashreplace").decode()


@dataclass
class _Guarded:
    """A text stream whose writes never fail.

    Attributes:
        stream: the stream itself; asked for all but writing.
        name: for people.
        on_loss: told once what befell it.
        patient: whether each line is waited for as long as its reader likes; a long run is not.
        error: the last reason for which something was lost; None while nothing was.
        gone: whether nothing can be written any more.
        instead: where to say what cannot be said here.
    """

    stream: TextIO
    name: str
    on_loss: Callable[[str, str], None]
    patient: bool = True
    error: OSError | None = None
    gone: bool = False
    instead: "_Guarded | None" = None
    _missed: str = ""
    _stalled: int = 0

    @property
    def left(self) -> list[str]:
        """The last lines that were lost."""
        return [line for line in self._missed.splitlines() if line.strip()][-_LOST:]

    def write(self, text: str) -> int:
        if self.gone:
            self._miss(text)
        elif not self._reader_is_ready():
            self._stalled += text.count("\n")
        else:
            if self._stalled:
                note = f"({self._stalled} lines were not shown while the reader stood still)\n"
                self._stalled = 0
                text = note + text
            self._put(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if not self.gone:
            self._put("")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _put(self, text: str) -> None:
        try:
            self._wait_for_room()
            if text:
                self.stream.write(printable(text, self.stream.encoding))
            if not text or text.endswith("\n"):
                self.stream.flush()
        except OSError as error:
            self._lose(error, text)
        except ValueError:  # closed by a library
            self._lose(OSError(errno.EBADF, os.strerror(errno.EBADF)), text)

    def _wait_for_room(self) -> None:
        """Another program may have made the terminal one that does not wait: Python loses lines."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            number = self.stream.fileno()
            if not os.get_blocking(number):
                os.set_blocking(number, True)

    def _lose(self, error: OSError, text: str) -> None:
        first = self.error is None
        self.error, self.gone = error, error.errno not in _PASSING
        self._drop_pending(for_good=self.gone)
        self._miss(text)
        if first:
            self.on_loss(self.name, error.strerror or str(error))

    def _miss(self, text: str) -> None:
        self._missed = (self._missed + text)[-_TAIL:]
        if self.instead is not None and not self.instead.gone:
            self.instead.write(text)

    def _drop_pending(self, *, for_good: bool) -> None:
        """Empty the buffers, which would fail again when the program ends, and end it with 120."""
        with contextlib.suppress(OSError, ValueError):
            number = self.stream.fileno()
            nowhere, held = os.open(os.devnull, os.O_WRONLY), os.dup(number)
            os.dup2(nowhere, number)
            os.close(nowhere)
            with contextlib.suppress(OSError, ValueError):
                self.stream.flush()
            if not for_good:
                os.dup2(held, number)
            os.close(held)

    def _reader_is_ready(self) -> bool:
        """Whether a line can be written now; a reader that stands still is waited for once."""
        if self.patient or not hasattr(select, "poll"):
            return True
        try:
            number = self.stream.fileno()
            if stat.S_ISREG(os.fstat(number).st_mode):
                return True
            poll = select.poll()
            poll.register(number, select.POLLOUT)
            return bool(poll.poll(0 if self._stalled else _WAIT))
        except (OSError, ValueError):
            return True


@dataclass
class Streams:
    """What became of standard output.

    Attributes:
        goes_on: what a long piece of work says when it has lost its output; empty for a command
            whose output is its answer.
    """

    goes_on: str
    _closed: list[str] = field(default_factory=list)
    _out: _Guarded | None = None
    _err: _Guarded | None = None

    def exit_code(self, code: int) -> int:
        """The code to end with: 2 where the answer was asked for and a full disk swallowed it.

        A reader that goes away has read enough, and who closes a stream wants nothing of it.
        """
        lost = self._out.error if self._out is not None else None
        if code or self.goes_on or lost is None or lost.errno in (errno.EPIPE, errno.EBADF):
            return code
        self._tell(
            f"standard output: {lost.strerror}; the answer is lost, free space or write elsewhere"
        )
        return 2

    def _loss(self, name: str, why: str) -> None:
        if self.goes_on and name == "standard output":
            self._tell(f"{name} is lost ({why}); {self.goes_on}")

    def _tell(self, line: str) -> None:
        if self._err is not None:
            self._err.write(f"decamo: {line}\n")
            self._err.flush()

    def _end(self) -> None:
        for stream in (self._out, self._err):
            if stream is not None:
                stream.flush()
        if self.goes_on and self._out is not None and self._out.left:
            self._tell("the last lines for standard output were:")
            for line in self._out.left:
                self._tell(f"  {line}")


@contextmanager
def lasting_streams(goes_on: str = "") -> Iterator[Streams]:
    """Guard ``sys.stdout`` and ``sys.stderr`` within this block.

    Args:
        goes_on: what is said on standard error when standard output is lost, such as ``the run
            goes on``; empty where losing it is losing the answer.
    """
    before = sys.stdin, sys.stdout, sys.stderr
    streams = Streams(goes_on)
    _open_missing()
    with ExitStack() as stack:
        if sys.stdin is None:
            sys.stdin = stack.enter_context(Path(os.devnull).open(encoding="utf-8"))
        nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
        out = _Guarded(sys.stdout or nowhere, "standard output", streams._loss, not goes_on)
        err = _Guarded(sys.stderr or nowhere, "standard error", streams._loss)
        if goes_on:
            err.instead, err.gone = out, sys.stderr is None
        streams._out, streams._err = out, err
        if sys.stdout is None:
            out.gone = True
            streams._loss(out.name, "closed from the start")
        sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
        try:
            yield streams
        finally:
            streams._end()
            sys.stdin, sys.stdout, sys.stderr = before


def _open_missing() -> None:
    """Let 0, 1 and 2 lead somewhere: else the next file that is opened takes such a number.

    A checkpoint that is standard output would get whatever a C library prints.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
