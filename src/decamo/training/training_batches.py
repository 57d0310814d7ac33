"""What a step is fed: which images, from where, in which order, drawn how, at which scale."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from decamo.data.augment import draw_augmentation
from decamo.data.cache.opening import Pool, open_cache
from decamo.data.cache.sample_sources import SampleSource
from decamo.data.dataset import CamouflageDataset, Draw, EpochSampler, micro_batches_per_epoch
from decamo.data.draws import SCALES, uniforms
from decamo.data.pairs import Pair
from decamo.data.stream import BatchStream
from decamo.data.waiting import NOBODY, Ear, Patience
from decamo.schedule import Resumption, Stage
from decamo.settings import DataSettings, TrainSettings
from decamo.settings.words import seconds_of
from decamo.training.runtime import Runtime

__all__ = [
    "TrainingBatches",
    "sources_of",
]


def sources_of(
    settings: DataSettings,
    resumption: Resumption,
    pairs: tuple[Pair, ...],
    copies: int,
    pool: Pool,
    say: Callable[[str], None],
    on_progress: Callable[[int, int], None],
    ear: Ear = NOBODY,
) -> Mapping[int, SampleSource]:
    """Size -> source, for each size that the plan still trains at; empty with ``--cache off``.

    All are opened before the first step, so that a full disk is found before hours are spent.

    Args:
        settings: ``--cache`` and where to keep it.
        resumption: the plan and where it stands.
        pairs: images that train.
        copies: processes that train together, taken to be on one machine.
        pool: of squares that are open already.
        say: told in one line a size what was chosen and why.
        on_progress: called with (images squashed and kept, images in all).
        ear: listened to while they are awaited.

    Raises:
        StorageError: what was asked for by name cannot be had.
        UnreadableImage: a file cannot be decoded.
        StopAsked: there was a reason.
    """
    if settings.cache == "off":
        return {}
    epochs: dict[int, int] = {}
    for stage in resumption.lineage.plan.stages:
        ahead = stage.last_epoch - max(resumption.position.epoch, stage.first_epoch - 1)
        if ahead > 0:
            epochs[stage.img_size] = epochs.get(stage.img_size, 0) + ahead
    folder: Path | None = settings.cache_dir
    return {
        size: open_cache(
            settings.cache,
            pairs,
            size,
            folder=folder,
            epochs=count,
            copies=copies,
            workers=settings.num_workers,
            pool=pool,
            say=say,
            on_progress=on_progress,
            ear=ear,
        )
        for size, count in epochs.items()
    }


@dataclass(frozen=True)
class TrainingBatches:
    """The training images of a run; all of it a function of seed and position, so replayable.

    Attributes:
        settings: what the user chose.
        runtime: device and ranks.
        pairs: images that train, in a fixed order.
        sources: size -> where its training images come from; of other sizes the files are read.
        draw: how images are augmented.
        planned: devices that the plan counts with; 0 for those that there are. With another number
            of them a step has the same images all the same.
    """

    settings: TrainSettings
    runtime: Runtime
    pairs: tuple[Pair, ...]
    sources: Mapping[int, SampleSource] = field(default_factory=dict)
    draw: Draw = draw_augmentation
    planned: int = 0

    @property
    def devices(self) -> int:
        """That the plan counts with."""
        return self.planned or self.runtime.world

    def splits(self, stage: Stage) -> int:
        """In how many pieces a share goes through the network.

        In more of them where there are fewer devices than planned, and a share is larger.
        """
        return stage.micro_batch_splits * -(-self.devices // self.runtime.world)

    def batches(self, stage: Stage, epoch: int, micro: int) -> BatchStream:
        """This process's micro-batches up to the end of a stage.

        Args:
            stage: that is trained.
            epoch: the first, from 1.
            micro: micro-batches of it that are behind.
        """
        data = CamouflageDataset(
            self.pairs,
            stage.img_size,
            seed=self.settings.run.seed,
            augment=True,
            draw=self.draw,
            source=self.sources.get(stage.img_size),
        )
        sampler = EpochSampler(
            len(data),
            seed=self.settings.run.seed,
            first_epoch=epoch,
            last_epoch=stage.last_epoch,
            micro_batch=stage.micro_batch,
            rank=self.runtime.rank,
            world=self.runtime.world,
            planned=self.devices,
            skip=micro,
        )
        return BatchStream(
            data,
            sampler,
            num_workers=self.settings.data.num_workers,
            pin_memory=self.runtime.device.type == "cuda",
            patience=self.patience(),
        )

    def patience(self) -> Patience:
        """How long files are waited for."""
        return Patience(seconds_of("data_timeout", self.settings.data.data_timeout))

    def micro_batches(self, stage: Stage) -> int:
        """Micro-batches in an epoch, of each of which every process has its share."""
        return micro_batches_per_epoch(len(self.pairs), stage.micro_batch, self.devices)

    def images_in(self, stage: Stage, first: int, count: int) -> int:
        """Images, over all processes, in ``count`` micro-batches from number ``first`` on."""
        size = stage.micro_batch * self.devices
        return min((first + count) * size, len(self.pairs)) - first * size

    def scale(self, step: int) -> float:
        """The scale of a step, drawn from the seed and the step's number alone."""
        scales = self.settings.optimise.multi_scale
        if len(scales) == 1:
            return scales[0]
        (drawn,) = uniforms(SCALES, self.settings.run.seed, 0, step, 1)
        return scales[int(drawn * len(scales))]
