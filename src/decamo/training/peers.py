"""The other processes of a run: who they are, whether they live, what they do, why they ended.

All of them write to one key-value store (torch's ``TCPStore``), which ``torchrun`` keeps for as
long as it runs; without it the first process keeps one. It outlives the collectives: where those
break or stand still, the store tells which process it is and what it was doing.
"""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from typing import Any

from decamo.data.waiting import Wait
from decamo.errors import DecamoError, PeerLost

__all__ = ["COLLECTIVE_S", "Beat", "Peers", "lost"]

COLLECTIVE_S = 1800.0  # a save to a slow drive, a share of validation; all other waits are told
_SILENT_S = 120.0  # as for the owner of a run folder: beyond any pause of a sick network
_GRACE_S = 10.0  # a process that hears of another's end may still get its own answer
_BEAT_S = 1.0
_LOOKS_A_BEAT = 20
_LINGER_S = 4.0  # seconds: a broken collective is thought about for three
_REMEDY = "the same command with --resume auto goes on from the last checkpoint"


@dataclass(frozen=True)
class Beat:
    """What a process says of itself.

    Attributes:
        rank: its number.
        where: machine and process, for people.
        count: of its signs of life.
        phase: what it is doing.
        last_word: why it ends; empty while it does not.
        code: exit code of that end.
        follows: whether it ends because another one did.
    """

    rank: int
    where: str
    count: int = 0
    phase: str = "the start"
    last_word: str = ""
    code: int = 0
    follows: bool = False

    def to_json(self) -> str:
        """As the store holds it."""
        return json.dumps(asdict(self))

    def __str__(self) -> str:
        return f"process {self.rank} ({self.where})"


@dataclass(eq=False)
class Peers:
    """The processes that train together, as one of them sees them.

    Attributes:
        store: of this group alone.
        command: what ``torchrun`` keeps over restarts, under a name of its own.
        me: what this process says of itself.
        world: how many they are.
        keeps: whether the store ends with this process.
        end: called with the exit code where the main thread cannot be reached.
    """

    store: Any
    command: Any
    me: Beat
    world: int
    keeps: bool = False
    end: Callable[[int], None] = os._exit
    _waits: dict[int, tuple[int, Wait]] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _held: bool = False  # whether the main thread is in a collective
    _met: int = 0

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True, name="decamo peers")

    def start(self) -> None:
        """Beat from now on, and watch the others."""
        self._thread.start()

    def say(self, phase: str) -> None:
        """What this process does from now on."""
        with self._lock:
            self.me = replace(self.me, phase=phase)
        with contextlib.suppress(RuntimeError):
            self._tell()

    def leave(self, why: BaseException | None = None) -> None:
        """End; the others are told why, where it is before the end of the run."""
        self._over.set()
        if why is None:
            return
        word = str(why) if isinstance(why, DecamoError) else "stopped at once"
        if not isinstance(why, DecamoError | KeyboardInterrupt):
            word = f"{type(why).__name__}: {why}"
        code = why.exit_code if isinstance(why, DecamoError) else 0
        with self._lock:
            follows = isinstance(why, PeerLost)
            self.me = replace(self.me, last_word=word, code=code, follows=follows)
        with contextlib.suppress(RuntimeError):
            self._tell()
        if self.keeps:  # until they have heard it
            time.sleep(_LINGER_S)

    def remember(self, mark: str) -> None:
        """Keep a mark for those that ``torchrun`` may start after this process."""
        with contextlib.suppress(RuntimeError):
            self.command.set(f"mark/{mark}", "")

    def remembers(self, mark: str) -> bool:
        """Whether a process of this command, perhaps a dead one, has made the mark."""
        with self._patiently():
            return bool(self.command.check([f"mark/{mark}"]))

    def age(self) -> float:
        """Seconds since the command's first processes found each other."""
        with self._patiently():
            first = self.command.compare_set("began", "", repr(time.time()))
        return max(time.time() - float(first), 0.0)

    @contextlib.contextmanager
    def collective(self) -> Any:
        """A collective of torch within this block; what breaks it is said in a line.

        Raises:
            PeerLost: another process has ended, or does not answer.
        """
        self._held = True
        try:
            yield
        except RuntimeError as error:
            raise self.why_lost(error) from error
        finally:
            self._held = False

    def first_done(self, stopped: str = "") -> None:
        """The first process has done what the others wait for in :meth:`wait_for_first`.

        Args:
            stopped: why it was left before its end; empty for done.
        """
        self._met += 1
        with self._patiently():
            self.store.set(f"first/{self._met}", stopped)

    def wait_for_first(self) -> str:
        """Wait, however long it takes, as long as the first process lives.

        Returns:
            why it was asked to stop there; empty where it has done its work.

        Raises:
            PeerLost: it does not.
        """
        self._met += 1
        self._wait_for([f"first/{self._met}"], [0])
        with self._patiently():
            return str(self.store.get(f"first/{self._met}").decode())

    def meet(self) -> None:
        """Go on when all have come to this point, however long it takes.

        Raises:
            PeerLost: one never will.
        """
        self._met += 1
        with self._patiently():
            self.store.set(f"met/{self._met}/{self.me.rank}", "here")
        every = list(range(self.world))
        self._wait_for([f"met/{self._met}/{rank}" for rank in every], every)

    def part(self) -> None:
        """Leave together, so that none finds the store gone: its keeper may be the first process.

        Raises:
            PeerLost: a process has ended before it came to this.
        """
        self.meet()
        self._over.set()
        self._thread.join()
        if self.me.rank:
            with contextlib.suppress(RuntimeError):
                self.store.set(f"left/{self.me.rank}", "")  # the last that this one asks of it
        else:
            others = list(range(1, self.world))
            self._wait_for([f"left/{rank}" for rank in others], others)

    def _wait_for(self, keys: list[str], ranks: list[int]) -> None:
        for look in count():
            with self._patiently():
                if self.store.check(keys):
                    return
                found = self._gone(ranks) if look % _LOOKS_A_BEAT == 0 else None
            if found is not None:
                raise found
            time.sleep(_BEAT_S / _LOOKS_A_BEAT)

    @contextlib.contextmanager
    def _patiently(self) -> Any:
        try:
            yield
        except RuntimeError as error:
            raise self.why_lost(error) from error

    def why_lost(self, error: BaseException) -> PeerLost:
        """Why a collective failed: the processes are watched for some seconds to find out."""
        phase, before = self.me.phase, self._beats()
        time.sleep(3 * _BEAT_S)
        after = self._beats()
        words = [beat for beat in after if beat.last_word]
        for beat in words:
            if not beat.follows:
                return self._ended(beat)
        if not after:  # the store went with the process that kept it
            return self._without_store()
        counts = {beat.rank: beat.count for beat in before}
        for beat in after:
            if (
                beat.rank != self.me.rank
                and counts.get(beat.rank) == beat.count
                and beat not in words
            ):
                return lost(f"{beat} is gone; it was last heard of in {beat.phase}")
        if words:
            return self._ended(words[0])
        doing = ", ".join(f"{b} in {b.phase}" for b in after if b.rank != self.me.rank)
        return lost(f"no answer in {phase} ({' '.join(str(error).split())[:120]}); {doing}")

    def _gone(self, ranks: list[int]) -> PeerLost | None:
        """Which of them has said its last word, or been silent for too long."""
        for beat in self._beats():
            if beat.rank not in ranks or beat.rank == self.me.rank:
                continue
            if beat.last_word:
                return self._ended(beat)
            signs, wait = self._waits.get(beat.rank, (-1, Wait()))
            if signs != beat.count:
                signs, wait = beat.count, Wait()
            self._waits[beat.rank] = signs, wait
            if wait.look() > _SILENT_S:
                return lost(f"{beat} has been silent for {_SILENT_S:.0f} s, in {beat.phase}")
        return None

    def _ended(self, beat: Beat) -> PeerLost:
        remedy = _REMEDY if beat.code in (0, PeerLost.exit_code) else "mend that first"
        ended = PeerLost(str(beat), f"ended in {beat.phase}: {beat.last_word}", remedy)
        ended.exit_code = beat.code or ended.exit_code
        return ended

    def _beats(self) -> list[Beat]:
        """What each process said last; nothing where the store is gone."""
        try:
            said = self.store.multi_get([f"beat/{rank}" for rank in range(self.world)])
        except RuntimeError:
            return []
        return [Beat(**json.loads(text)) for text in said]

    def _tell(self) -> None:
        with self._lock:
            self.me = replace(self.me, count=self.me.count + 1)
            self.store.set(f"beat/{self.me.rank}", self.me.to_json())

    def _run(self) -> None:
        """Beat; where the main thread waits in vain for one that is gone, end the process."""
        watched, there = Wait(), True
        while not self._over.wait(_BEAT_S):
            try:
                if there:
                    self._tell()
            except RuntimeError:  # each try would print torch's own lines
                there = False
            found = None
            if self._held:
                found = self._gone(list(range(self.world))) if there else self._without_store()
            watched = watched if found else Wait()
            # torch's own error comes at once where it can: this is for those that never do.
            if found and watched.look() > _GRACE_S and not self._over.is_set():
                sys.stderr.write(f"decamo: {found}\n")
                sys.stderr.flush()
                self.end(found.exit_code)

    def _without_store(self) -> PeerLost:
        where = self.me.phase
        return lost(f"process 0, which keeps the list of all, is gone; this one is in {where}")


def lost(what: str) -> PeerLost:
    """The error of a process that is not there."""
    return PeerLost("torchrun", what, _REMEDY)
