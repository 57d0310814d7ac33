"""Writes a run's checkpoints, and reads the last one back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from decamo.history import Saved
from decamo.settings import TrainSettings
from decamo.storage import RunFolder, previous_of, replace_by_copy
from decamo.storage.recover import Recovered, load_or_previous
from decamo.storage.sealed import save_sealed
from decamo.training.state import TrainState

__all__ = ["Keeper"]


@dataclass
class Keeper:
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
        save_sealed(self.folder.last, state.to_plain(self.settings))
        yield Saved(self.folder.last, state.position, self.clock() - began)
        if best:
            began = self.clock()
            replace_by_copy(self.folder.last, self.folder.best, previous_of(self.folder.best))
            yield Saved(self.folder.best, state.position, self.clock() - began)
        if epoch:
            run = self.settings.run
            self.folder.snapshot(epoch, run.keep_last, run.keep_every, run.resume_from)

    def load_last(self) -> Recovered:
        """The newest checkpoint; the one before it where that is damaged.

        Raises:
            CheckpointError: neither can be read.
        """
        return load_or_previous(self.folder.last)
