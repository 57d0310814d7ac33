"""A way to a server that breaks when it is told to, after so many bytes or at once."""

import contextlib
import socket
import threading
from urllib.parse import urlsplit


class Flaky:
    """Listens on a port of its own and passes bytes on to a server.

    Attributes:
        bytes_left: towards the server, before every connection breaks; None for no end.
        down: whether connections are refused to an answer.
    """

    def __init__(self, endpoint: str) -> None:
        self._there = (urlsplit(endpoint).hostname, urlsplit(endpoint).port)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.bytes_left: int | None = None
        self.down = self._closed = False
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def break_now(self) -> None:
        """Cut every connection and refuse new ones."""
        self.down = True
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self.down, self.bytes_left = False, None

    def close(self) -> None:
        self._closed = True
        self.break_now()
        self._socket.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._socket.accept()
            except OSError:
                return
            if self.down:
                near.close()
                continue
            far = socket.create_connection(self._there)
            self._open |= {near, far}
            for source, sink, counted in ((near, far, True), (far, near, False)):
                threading.Thread(
                    target=self._pass_on, args=(source, sink, counted), daemon=True
                ).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(2**14):
                if counted and self.bytes_left is not None:
                    data = data[: self.bytes_left]
                    self.bytes_left -= len(data)
                sink.sendall(data)
                if counted and self.bytes_left == 0:
                    self.break_now()
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            self._open.discard(one)
            one.close()
