"""Copies a run to its mirror from a thread of its own; whatever fails there stops no training."""

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from decamo.errors import AddressError
from decamo.history import Event, Saved
from decamo.mirror.beginning import MirrorStart
from decamo.mirror.held_files import HeldFiles, hold
from decamo.mirror.publishing import MirrorTaken, Publisher
from decamo.schedule import Position

__all__ = ["Mirror"]

_PATIENCE = 300.0  # seconds that a run's end waits for what is being sent
_LAST_TRY = 20.0  # the same, where the mirror did not answer before
_LEAST = 10.0
_LONGEST_PAUSE = 60.0  # seconds between two tries


class Mirror:
    """Hears of each save and sends the run folder as it is then; the newest one wins.

    At most two states of the folder are held at a time, as open files: one that is being sent and
    one that waits. A part or two of one file are in memory.

    Args:
        start: what was found at the address.
        root: the run folder.
        position: of the run now.
        say: told once when the mirror fails, and when it has everything again.
        first_pause: seconds before the second try; doubled after each.
    """

    def __init__(
        self,
        start: MirrorStart,
        root: Path,
        position: Position,
        say: Callable[[str], None],
        first_pause: float = 1.0,
    ) -> None:
        self._root, self._say, self._first_pause = root, say, first_pause
        self._address = str(start.remote)
        self._publisher = Publisher(
            start.remote, start.run, start.session, start.manifests, start.serial, self._has_time
        )
        self._position = position
        self._waiting: HeldFiles | None = None
        self._seconds: deque[float] = deque(maxlen=5)
        self._lines: deque[str] = deque()
        self._change = threading.Condition()
        self._closing = self._failing = self._over = False
        self._behind = ""  # what the mirror lacks, in words
        self._thread = threading.Thread(target=self._send_all, name="mirror", daemon=True)
        self._thread.start()

    @property
    def seconds(self) -> float:
        """How long the longest of the last few took to be sent; a budget leaves time for it."""
        return max(self._seconds, default=0.0)

    def on_event(self, event: Event) -> None:
        """Send what a save has left in the run folder."""
        if isinstance(event, Saved):
            self._position = event.position
            self._offer()
        self._speak()

    def close(self, patience: float = _PATIENCE) -> None:
        """Send the folder as it is now, wait a while, and say what is not there."""
        self._offer()
        with self._change:
            self._closing = True
            self._change.notify()
            limit = _LAST_TRY if self._failing else max(patience, _LEAST)
        self._thread.join(limit)
        with self._change:
            self._over = True  # a thread that is still sending ends with its file
            self._drop()
        if self._behind:
            self._lines.append(f"mirror {self._address}: {self._behind}")
        self._speak()

    def abandon(self) -> None:
        """End without sending anything more."""
        with self._change:
            self._closing = self._over = True
            self._drop()
            self._change.notify()

    def _offer(self) -> None:
        if not self._thread.is_alive():
            return
        held = hold(self._root, self._position)
        if not held.checkpoints:  # the run ended before its first save
            held.close()
            return
        with self._change:
            self._drop()
            self._waiting = held
            self._behind = f"what was saved {_at(held.position)} is not there; it is sent when the"
            self._behind += " run goes on from this folder"
            self._change.notify()

    def _drop(self) -> None:
        if self._waiting is not None:
            self._waiting.close()
        self._waiting = None

    def _has_time(self) -> bool:
        return not self._over

    def _speak(self) -> None:
        while self._lines:
            self._say(self._lines.popleft())

    def _next(self) -> HeldFiles | None:
        """The newest state to be sent; None at the end."""
        with self._change:
            while self._waiting is None and not self._closing:
                self._change.wait()
            held, self._waiting = self._waiting, None
            return held

    def _send_all(self) -> None:
        while (held := self._next()) is not None:
            with held:
                goes_on = self._sent(held)
            if not goes_on:
                return

    def _sent(self, held: HeldFiles) -> bool:
        """Send one state, again and again until it is there or a newer one waits.

        Returns:
            whether others are to follow.
        """
        pause = self._first_pause
        while True:
            began = time.monotonic()
            try:
                self._publisher.publish(held)
            except MirrorTaken as taken:
                self._end(f"{taken}; nothing more of this one is sent")
                return False
            except Exception as error:  # of the network, a file system, the disk: none ends a run
                self._fail(error)
            else:
                self._succeed(held, time.monotonic() - began)
                return True
            with self._change:
                if self._closing and (self._waiting is None or self._over):
                    return False
                self._change.wait_for(lambda: self._closing, pause)
                if self._waiting is not None:
                    return True
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _succeed(self, held: HeldFiles, seconds: float) -> None:
        with self._change:
            self._seconds.append(seconds)
            if self._waiting is None:
                self._behind = ""
            if self._failing:
                now = f"it answers again, and has the run {_at(held.position)}"
                self._lines.append(f"mirror {self._address}: {now}")
            self._failing = False

    def _fail(self, error: Exception) -> None:
        with self._change:
            if not self._failing:
                why = error.got if isinstance(error, AddressError) else str(error)
                self._lines.append(
                    f"mirror {self._address}: {' '.join(why.split())[:300]}; the run goes on, and"
                    " it is tried again"
                )
            self._failing = True

    def _end(self, why: str) -> None:
        with self._change:
            self._behind = ""
            self._lines.append(f"mirror {self._address}: {why}")
            self._drop()


def _at(position: Position) -> str:
    return f"after epoch {position.epoch}, step {position.step}"
