"""Every call to the disk during a save, counted, so that any one of them can be made to fail.

As a program (``faults.py FOLDER PIECES SAVED,... MODE...``) it kills a copy of itself at each call
of each kind of save in turn, and checks after every death that nothing was lost.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from decamo.checkpoint.load_save import load_or_previous
from decamo.storage import RunFolder, previous_of, replace_by_copy
from decamo.storage.sealed import load_sealed, save_sealed
from tests.storage.format_1 import state_of_format_1

Act = Callable[[str, int | None], None]
Save = Callable[[RunFolder, int], None]


class Faults:
    """Counts writes, fsyncs, renames, links and unlinks; does ``act`` at number ``at`` (from 1).

    ``act`` is given the kind of call and the descriptor of the file under way. Within a write it
    comes after half of the bytes; elsewhere before the call.
    """

    def __init__(self, at: int, act: Act, pieces: int = 2) -> None:
        self.at = at
        self.act = act
        self.pieces = pieces
        self.kinds: list[str] = []
        self.unsynced: set[int] = set()

    def meet(self, kind: str, descriptor: int | None = None) -> None:
        """One call."""
        self.kinds.append(kind)
        if len(self.kinds) == self.at:
            self.act(kind, descriptor)

    @contextmanager
    def installed(self) -> Iterator["Faults"]:
        """Stand between :mod:`decamo.storage` and the disk."""
        real = (Path.open, os.fsync, os.link, Path.replace, Path.unlink)

        def wrapped(kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
            def instead(*args: Any, **kwargs: Any) -> Any:
                self.meet(kind, args[0] if kind == "fsync" else None)
                if kind == "fsync":
                    self.unsynced.discard(args[0])
                return call(*args, **kwargs)

            return instead

        def open_counted(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if "w" not in mode:
                return real[0](path, mode, *args, **kwargs)
            return _Counted(real[0](path, mode, 0), self)

        patched: Any = Path
        patched.open = open_counted
        os.fsync = wrapped("fsync", real[1])
        os.link = wrapped("link", real[2])
        patched.replace = wrapped("rename", real[3])
        patched.unlink = wrapped("unlink", real[4])
        try:
            yield self
        finally:
            patched.open, os.fsync, os.link, patched.replace, patched.unlink = real


class _Counted:
    """A file without a buffer whose writes are many small ones."""

    def __init__(self, file: Any, faults: Faults) -> None:
        self.file = file
        self.faults = faults

    def __enter__(self) -> "_Counted":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self.faults.unsynced.add(self.file.fileno())
        size = max(len(view) // self.faults.pieces, 1)
        for begin in range(0, len(view), size):
            piece = view[begin : begin + size]
            half = len(piece) // 2
            self.file.write(piece[:half])
            self.faults.meet("write", self.file.fileno())
            self.file.write(piece[half:])
        return len(view)

    def flush(self) -> None:
        self.file.flush()

    def fileno(self) -> int:
        return int(self.file.fileno())


def state_at(epoch: int) -> dict[str, Any]:
    """A whole run that stands at ``epoch``, ten steps each."""
    return state_of_format_1() | {"position": {"epoch": epoch, "step": 10 * epoch, "micro": 0}}


def epoch_of(path: Path) -> int:
    """The epoch inside a checkpoint that must be good."""
    return int(load_sealed(path)["position"]["epoch"])


def _save(folder: RunFolder, epoch: int) -> None:
    save_sealed(folder.last, state_at(epoch))


def _save_best(folder: RunFolder, epoch: int) -> None:
    save_sealed(folder.last, state_at(epoch))
    replace_by_copy(folder.last, folder.best, previous_of(folder.best))


def _save_snapshot(folder: RunFolder, epoch: int) -> None:
    save_sealed(folder.last, state_at(epoch))
    folder.snapshot(epoch, keep_last=2, keep_every=0)


SAVES: dict[str, Save] = {"save": _save, "best": _save_best, "snapshot": _save_snapshot}


def check(folder: RunFolder, epoch: int, save: Save) -> None:
    """After a save of ``epoch`` that was broken off: all is there, and the next save works."""
    if epoch > 1:
        assert epoch_of(folder.last) in (epoch - 1, epoch)
        assert load_or_previous(folder.last).notes == ()
    for path in folder.root.glob("*.pth"):
        assert epoch_of(path) <= epoch, path
    before = [int(p.stem.partition("-")[2]) for p in folder.root.glob("epoch-*.pth")]
    if save is _save_snapshot and epoch > 2:
        assert {epoch - 1, epoch - 2} <= set(before) or {epoch, epoch - 1} <= set(before)
    if save is _save_best and epoch > 1:
        assert epoch_of(folder.best) in (epoch - 1, epoch)
    save(folder, epoch + 1)
    assert epoch_of(folder.last) == epoch + 1
    left = [p.name for p in folder.root.iterdir() if p.name.endswith(".tmp")]
    assert left == [] or (save is _save and left == [".best_model.pth.tmp"]), left


def prepared(root: Path, save: Save, saved: int) -> RunFolder:
    """A fresh folder with ``saved`` epochs in it."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    folder = RunFolder(root)
    for epoch in range(1, saved + 1):
        save(folder, epoch)
    return folder


def cloned(template: Path, root: Path) -> RunFolder:
    """A copy of a folder by hard links, which no save ever writes into."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for path in template.iterdir():
        os.link(path, root / path.name)
    return RunFolder(root)


def calls_of(root: Path, save: Save, saved: int, pieces: int, *, links: bool = True) -> int:
    """How many calls one save makes."""
    faults = Faults(0, lambda kind, descriptor: None, pieces)
    folder = prepared(root, save, saved)
    with without_links(not links), faults.installed():
        save(folder, saved + 1)
    return len(faults.kinds)


@contextmanager
def without_links(wanted: bool) -> Iterator[None]:
    """As on a file system that knows no hard links."""
    real = os.link

    def refuse(*_: object, **__: object) -> NoReturn:
        raise PermissionError(1, "no links here")

    if wanted:
        os.link = refuse
    try:
        yield
    finally:
        os.link = real


def _die(faults: Faults, power_cut: bool) -> None:
    """End without a word; after a power cut, what was not synced is gone too."""
    if power_cut:
        for descriptor in faults.unsynced:
            os.ftruncate(descriptor, 0)
    os.kill(os.getpid(), signal.SIGKILL)


def killed(folder: RunFolder, save: Save, epoch: int, at: int, pieces: int, mode: str) -> None:
    """Run one save in a copy of this process, which dies at call ``at``."""
    child = os.fork()
    if child == 0:
        faults = Faults(at, lambda kind, descriptor: None, pieces)
        faults.act = lambda kind, descriptor: _die(faults, "power" in mode)
        with without_links("no links" in mode), faults.installed():
            save(folder, epoch)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"{mode}: call {at} was not met"
    assert os.WTERMSIG(status) == signal.SIGKILL


def _unsynced(fd: Any) -> None:
    """In the place of fsync."""


def main(root: Path, pieces: int, before: list[int], modes: list[str]) -> None:
    """Kill each save at each call; print how many deaths were survived."""
    template = root.with_name("template")
    os.fsync = _unsynced  # the kernel outlives us: only the order of calls counts
    deaths = 0
    for mode in modes:
        for save in SAVES.values():
            for saved in before:
                calls = calls_of(root, save, saved, pieces, links="no links" not in mode)
                prepared(template, save, saved)
                for at in range(1, calls + 1):
                    folder = cloned(template, root)
                    killed(folder, save, saved + 1, at, pieces, mode)
                    check(folder, saved + 1, save)
                    deaths += 1
    sys.stdout.write(f"survived {deaths}\n")


if __name__ == "__main__":
    main(
        Path(sys.argv[1]), int(sys.argv[2]), [int(n) for n in sys.argv[3].split(",")], sys.argv[4:]
    )
