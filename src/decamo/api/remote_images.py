"""Images that workers of a cluster predict and write."""

import os
import shutil
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from decamo.api.expert_sheets import expert_sheets
from decamo.api.image_work import ImageWork, MadeImage
from decamo.api.remote_network import RemoteNetwork
from decamo.cluster.worker_crew import BlockWork, WorkerCrew, block_size
from decamo.data.rules import ReadingRule
from decamo.data.waiting import Ear
from decamo.errors import DataStalled, SettingsError
from decamo.inference.inputs import Item
from decamo.storage import make_folder, storage_error

__all__ = ["CrewImages", "RemoteImages", "staging_in"]

# A worker that was told to end may add a file while its folder is emptied, which then stays.
_REMOVAL_S = 5.0


@dataclass(frozen=True)
class RemoteImages(BlockWork[Item, MadeImage]):
    """What a worker does with images; see :class:`~decamo.api.image_work.ImageWork`.

    Attributes:
        network: that makes the maps.
        rule: how images are read.
        stalled: images that were not read to their end before.
        batch: images that go through the network together.
        experts: whether sheets are drawn.
        masks: whether masks are sent back.
        staging: folder in which each worker has one of its own.
        give_up_s: seconds after which a file that is not read is given up.
        overlay: whether overlays are written.
    """

    network: RemoteNetwork
    rule: ReadingRule
    stalled: Mapping[Path, DataStalled]
    batch: int
    experts: bool
    masks: bool
    staging: Path
    give_up_s: float
    overlay: bool = False

    def open(self) -> Callable[[Sequence[Item], Callable[[str], None]], Sequence[MadeImage]]:
        """Load the network.

        Raises:
            DecamoError: it cannot be.
        """
        model = self.network.load()
        sheets = expert_sheets(model.loaded) if self.experts else None
        if sheets:
            sheets.watch.__enter__()  # for as long as the worker lives
        own = self.staging / f"{os.getpid()}-{uuid.uuid4().hex}"  # a number may come back
        try:
            own.mkdir()  # not its parents, which whoever ends this worker removes
        except OSError as error:
            raise storage_error(own, error) from error

        def made(block: Sequence[Item], say: Callable[[str], None]) -> list[MadeImage]:
            ear = Ear(say=say, give_up_s=self.give_up_s)
            work = ImageWork(
                model.predictor, self.rule, self.stalled, ear, self.batch, sheets, self.masks, own,
                self.overlay,
            )  # fmt: skip
            return list(work.each(block))

        return made

    def name(self, item: Item) -> str:
        """Its file."""
        return str(item.image)


@dataclass(frozen=True)
class CrewImages:
    """Workers that predict images.

    What one of them cannot read is read here once more before it is believed: a damaged file is
    left out, as ever, but a node that does not see what this machine sees is a mistake.

    Attributes:
        crew: the workers.
        work: what they do.
        precision: ``fp32``, ``fp16`` or ``bf16``.
        here: how this process would do it.
    """

    crew: WorkerCrew
    work: RemoteImages
    precision: str
    here: ImageWork

    def each(self, items: Sequence[Item], *, ordered: bool) -> Generator[MadeImage]:
        """What became of each; in their order, or as they come.

        Raises:
            DecamoError: of a disk, of the network or of the cluster.
        """
        size = block_size(len(items), self.crew.count, self.work.batch)
        results = self.crew.results(
            self.work, items, total=len(items), block=size, ordered=ordered, heed=self.here.ear.heed
        )
        with closing(results):
            for made in results:
                if made.error and not isinstance(self.here.read(made.item.image), str):
                    got = f"a worker cannot read what this machine can: {made.error}"
                    raise SettingsError("--on", got, "name a path that all nodes share")
                yield made


@contextmanager
def staging_in(out: Path) -> Iterator[Path]:
    """A hidden folder below ``out`` for as long as this block takes.

    Raises:
        StorageError: it cannot be made.
    """
    folder = out.absolute() / f".part-{uuid.uuid4().hex[:8]}"
    make_folder(folder)
    try:
        yield folder
    finally:
        until = time.monotonic() + _REMOVAL_S
        while folder.exists() and time.monotonic() < until:
            shutil.rmtree(folder, ignore_errors=True)
            time.sleep(0.01)
