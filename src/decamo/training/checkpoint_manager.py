"""Writes a run's checkpoints, and reads the last one back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from decamo.checkpoint.load_save import Recovered, load_or_previous, read_outline, save_checkpoint
from decamo.errors import CheckpointError
from decamo.history import Saved
from decamo.settings import TrainSettings
from decamo.storage import RunFolder, previous_of, replace_by_copy
from decamo.training.state import TrainState

__all__ = ["CheckpointManager", "keep_former_best"]


def keep_former_best(folder: RunFolder, state: TrainState) -> Path | None:
    """Keep the best checkpoint under its epoch, where its score counts no more.

    The next epoch will be the best so far, however bad, and takes its name.

    Returns:
        the copy's path, such as ``best_model.epoch-0008.pth``; None where nothing is in danger.

    Raises:
        StorageError: the copy cannot be made.
    """
    if state.best_before is None or not folder.best.exists():
        return None
    try:
        epoch = read_outline(folder.best, check=False).position.epoch
    except CheckpointError:
        epoch = state.best_before.epoch
    return folder.protect(folder.best, epoch)


@dataclass
class CheckpointManager:
    """Keeps a run's checkpoints in its folder.

    Attributes:
        folder: where.
        settings: saved with the state.
        writes: whether this process writes; the others only follow.
        clock: seconds from any fixed moment.
    """

    folder: RunFolder
    settings: TrainSettings
    writes: bool
    clock: Callable[[], float]

    def save(self, state: TrainState, *, best: bool = False, epoch: int = 0) -> Iterator[Saved]:
        """Write the state as the newest checkpoint, and as the best one where it is.

        Args:
            state: finite all over.
            best: whether no epoch scored higher before.
            epoch: the epoch that it ends, for those kept beyond the newest; 0 for none.

        Raises:
            StorageError: it could not be written; the checkpoint before it is untouched.
        """
        if not self.writes:
            return
        began = self.clock()
        save_checkpoint(self.folder.last, state.checkpoint(self.settings))
        yield Saved(self.folder.last, state.position, self.clock() - began)
        if best:
            yield self._promote(state)
        if epoch:
            run = self.settings.run
            self.folder.snapshot(epoch, run.keep_last, run.keep_every, run.resume_from)

    def catch_up(self, state: TrainState) -> Iterator[Saved]:
        """Make the newest checkpoint the best one where a kill came between the two."""
        ends_best = state.position.micro == 0 and state.best.epoch == state.position.epoch > 0
        if self.writes and ends_best and not self._best_is(state):
            yield self._promote(state)

    def _promote(self, state: TrainState) -> Saved:
        began = self.clock()
        replace_by_copy(self.folder.last, self.folder.best, previous_of(self.folder.best))
        return Saved(self.folder.best, state.position, self.clock() - began)

    def _best_is(self, state: TrainState) -> bool:
        try:
            held = read_outline(self.folder.best, check=False)
        except CheckpointError:
            return False
        return held.position.step == state.position.step

    def load_last(self) -> Recovered:
        """The newest checkpoint; the one before it where that is damaged.

        Raises:
            CheckpointError: neither can be read.
        """
        return load_or_previous(self.folder.last)
