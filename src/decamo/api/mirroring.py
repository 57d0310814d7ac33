"""``--mirror``: a run folder filled from an address, and copied there while the run goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from decamo.checkpoint import Checkpoint
from decamo.mirror.beginning import MirrorStart, begin_mirror, look_at_mirror, noted_mirror
from decamo.mirror.uploading import Mirror
from decamo.report.console import Console
from decamo.schedule import Position
from decamo.storage import RunFolder
from decamo.training.choosing import Given, folder_of
from decamo.training.runtime import first_process_first, is_first_process
from decamo.training.stops import Budget

__all__ = ["mirror_start", "mirrored_run"]


def mirror_start(
    given: Given, say: Callable[[str], object], *, look_only: bool = False
) -> MirrorStart | None:
    """What is at the address that options name, and the run folder filled from there.

    Of several processes that train together the first one does it, and the others wait.

    Args:
        given: options.
        say: takes a line for people.
        look_only: whether it is only seen that the mirror can be used; then None.

    Raises:
        DecamoError: as :func:`decamo.mirror.beginning.begin_mirror`.
    """
    folder = RunFolder(folder_of(given))
    address = given.get("run", {}).get("mirror")
    if not address:
        if is_first_process() and (noted := noted_mirror(folder)) is not None:
            say(f"not copied to {noted[1]} from here on: give --mirror to go on with that")
        return None
    if look_only:
        first_process_first(lambda: look_at_mirror(address, say))
        return None
    resume = given["run"].get("resume") == "auto"
    return first_process_first(lambda: begin_mirror(address, folder, resume=resume, say=say))


@contextmanager
def mirrored_run(
    start: MirrorStart | None,
    folder: RunFolder,
    con: Console,
    checkpoint: Checkpoint | None,
    budget: Budget | None = None,
) -> Iterator[Mirror | None]:
    """A run's mirror while it goes on; at the end it gets what it lacks, within some minutes.

    Args:
        start: of the first process; None for no mirror.
        folder: of the run.
        con: told what fails.
        checkpoint: that the run goes on from.
        budget: leaves time for sending the last checkpoint.
    """
    if start is None:
        yield None
        return
    position = Position() if checkpoint is None else checkpoint.position
    mirror = Mirror(start, folder.root, position, con.say)
    if budget is not None:
        budget.reserve = lambda: mirror.seconds
    try:
        yield mirror
    except KeyboardInterrupt:  # who insists is not kept waiting
        mirror.abandon()
        raise
    except BaseException:
        _close(mirror, budget)
        raise
    _close(mirror, budget)


def _close(mirror: Mirror, budget: Budget | None) -> None:
    if budget is None:
        mirror.close()
    else:
        mirror.close(budget.left)
