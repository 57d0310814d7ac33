"""A run folder for a piece of work that another process may not have let go of yet."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from decamo.data.waiting import StopAsked, Wait
from decamo.errors import FolderInUse
from decamo.storage import make_folder
from decamo.storage.owner import SILENT_AFTER, Ownership, own

__all__ = ["own_in_time"]

_GIVES_WAY = SILENT_AFTER + 60.0  # seconds
_PAUSE = 0.5  # seconds between two looks


@contextmanager
def own_in_time(
    root: Path,
    *,
    stop: Callable[[], str],
    say: Callable[[str], object],
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Ownership]:
    """Own a folder, which is made if need be, as soon as its owner is gone.

    A cluster gives a task to another node when it hears no more of the first, whose process may
    live on for a while: until it hears so too, or finds that it has been overtaken.

    Args:
        root: the folder.
        stop: asked meanwhile.
        say: told whom it was taken over from.
        sleep: waits so many seconds.

    Raises:
        StopAsked: there was a reason to stop.
        FolderInUse: its owner does not go.
        StorageError: it cannot be written.
    """
    make_folder(root)
    waited = Wait()
    with ExitStack() as held:
        while True:
            try:
                owned = held.enter_context(own(root, say=say))
                break
            except FolderInUse:
                if waited.look() > _GIVES_WAY:
                    raise
            if why := stop():
                raise StopAsked(why)
            sleep(_PAUSE)
        yield owned
