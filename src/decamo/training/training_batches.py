"""What a step is fed: which images, in which order, drawn how, at which scale."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from decamo.data.augment import draw_augmentation
from decamo.data.cache.sample_sources import SampleSource
from decamo.data.dataset import CamouflageDataset, Draw, EpochSampler, micro_batches_per_epoch
from decamo.data.draws import SCALES, uniforms
from decamo.data.pairs import Pair
from decamo.data.stream import BatchStream
from decamo.data.waiting import Patience
from decamo.schedule import Stage
from decamo.settings import TrainSettings
from decamo.settings.words import seconds_of
from decamo.training.runtime import Runtime

__all__ = ["TrainingBatches"]


@dataclass(frozen=True)
class TrainingBatches:
    """The training images of a run; all of it a function of seed and position, so replayable.

    Attributes:
        settings: what the user chose.
        runtime: device and ranks.
        pairs: images that train, in a fixed order.
        sources: size -> where its training images come from; of other sizes the files are read.
        draw: how images are augmented.
    """

    settings: TrainSettings
    runtime: Runtime
    pairs: tuple[Pair, ...]
    sources: Mapping[int, SampleSource] = field(default_factory=dict)
    draw: Draw = draw_augmentation

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
        """Micro-batches of each process in an epoch."""
        return micro_batches_per_epoch(len(self.pairs), stage.micro_batch, self.runtime.world)

    def images_in(self, stage: Stage, first: int, count: int) -> int:
        """Images, over all processes, in ``count`` micro-batches from number ``first`` on."""
        size = stage.micro_batch * self.runtime.world
        return min((first + count) * size, len(self.pairs)) - first * size

    def scale(self, step: int) -> float:
        """The scale of a step, drawn from the seed and the step's number alone."""
        scales = self.settings.optimise.multi_scale
        if len(scales) == 1:
            return scales[0]
        (drawn,) = uniforms(SCALES, self.settings.run.seed, 0, step, 1)
        return scales[int(drawn * len(scales))]
