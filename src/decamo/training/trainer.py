"""The loop: a generator of events that knows no listener and keeps no schedule of its own."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import torch

from decamo.data.dataset import CamouflageDataset
from decamo.data.loader import Batch, EpochSampler, make_loader, micro_batches_per_epoch
from decamo.data.pairs import Pair
from decamo.errors import TrainingDiverged
from decamo.evaluation import ImageScores, score_pairs
from decamo.history import (
    Baseline,
    EpochDone,
    EpochRecord,
    Event,
    GroupsOpened,
    Interrupted,
    Saved,
    StageStarted,
    StepDone,
    StepRecord,
    Validating,
)
from decamo.inference import Predictor
from decamo.metrics import Scores, mean_scores
from decamo.plan import Stage
from decamo.settings import TrainSettings
from decamo.storage import RunFolder, previous_of, replace_by_copy, save_sealed
from decamo.training.groups import set_rates
from decamo.training.runtime import Runtime
from decamo.training.state import Best, EpochSums, TrainState
from decamo.training.step import Outcome, Stepper

__all__ = ["MOST_BAD_STEPS", "Trainer"]

# A float16 scale falls from 65,536 to its floor of 1 in 16 bad steps; what is still not finite a
# few steps later is no matter of scaling.
MOST_BAD_STEPS = 20


@dataclass
class Trainer:
    """A run that is ready to train.

    Attributes:
        settings: what the user chose.
        folder: where checkpoints go.
        runtime: device and ranks.
        state: all that changes.
        stepper: one optimiser step.
        train_pairs: images that train, in a fixed order.
        val_pairs: images held out of them.
        stop: asked between steps; True saves and ends the run.
        clock: seconds from any fixed moment, only ever rising.
        learning: groups that learn now.
    """

    settings: TrainSettings
    folder: RunFolder
    runtime: Runtime
    state: TrainState
    stepper: Stepper
    train_pairs: tuple[Pair, ...]
    val_pairs: tuple[Pair, ...]
    stop: Callable[[], bool]
    clock: Callable[[], float]
    learning: frozenset[str] = frozenset()

    def run(self) -> Iterator[Event]:
        """Train from the state's position to the end of its plan.

        Raises:
            TrainingDiverged: the gradient stayed non-finite for :data:`MOST_BAD_STEPS` steps.
            StorageError: a checkpoint could not be written.
            UnreadableImage: a file that could be read before can not be read now.
        """
        yield from self._baseline()
        for stage in self.state.ledger.plan.stages:
            if self.state.position.step < stage.end_step:
                yield StageStarted(stage, self.state.position.epoch + 1)
                stopped = yield from self._stage(stage)
                if stopped:
                    yield Interrupted(self.state.position)
                    return

    def _baseline(self) -> Iterator[Event]:
        """What the weights are worth before they move; an unchanged run knows that already."""
        segment = self.state.ledger.last
        if segment.word != "extend" and self.state.position.step == segment.at_step:
            epoch = self.state.position.epoch + 1
            stage = self.state.ledger.plan.stage_of_epoch(epoch)
            scores = yield from self._validate(stage)
            yield Baseline(epoch, scores.iou, scores.dice, scores.mae)

    def _stage(self, stage: Stage) -> Generator[Event, None, bool]:
        """Train the rest of a stage; returns whether it was stopped on request."""
        batches = self._loader(stage)
        for epoch in range(self.state.position.epoch + 1, stage.last_epoch + 1):
            stopped = yield from self._train_epoch(stage, epoch, batches)
            if stopped:
                yield from self._save(is_best=False)
                return True
            yield from self._end_epoch(stage, epoch)
            if self.state.position.step < self.state.ledger.plan.end_step and self._asked_to_stop():
                return True
        return False

    def _loader(self, stage: Stage) -> Iterator[Batch]:
        data = CamouflageDataset(
            self.train_pairs, stage.img_size, seed=self.settings.run.seed, augment=True
        )
        sampler = EpochSampler(
            len(data),
            seed=self.settings.run.seed,
            first_epoch=self.state.position.epoch + 1,
            last_epoch=stage.last_epoch,
            micro_batch=stage.micro_batch,
            rank=self.runtime.rank,
            world=self.runtime.world,
            skip=self.state.position.micro,
        )
        return iter(
            make_loader(
                data,
                sampler,
                num_workers=self.settings.data.num_workers,
                pin_memory=self.runtime.device.type == "cuda",
            )
        )

    def _micro_batches(self, stage: Stage) -> int:
        return micro_batches_per_epoch(len(self.train_pairs), stage.micro_batch, self.runtime.world)

    def _train_epoch(
        self, stage: Stage, epoch: int, batches: Iterator[Batch]
    ) -> Generator[Event, None, bool]:
        """Train the rest of an epoch; returns whether it was stopped on request before its end."""
        self.state.model.train()
        of = self._micro_batches(stage)
        while self.state.position.micro < of:
            if (now := stage.learning(self.state.position.step)) != self.learning:
                self.learning = now
                self.state.model.set_learning(now)
                yield GroupsOpened(self.state.position.step, now)
            record = self._step(stage, epoch, batches)
            done = -(-self.state.position.micro // stage.accumulation)
            yield StepDone(record, done, stage.steps_per_epoch)
            if self.state.position.micro < of and self._asked_to_stop():
                return True
        return False

    def _step(self, stage: Stage, epoch: int, batches: Iterator[Batch]) -> StepRecord:
        began = self.clock()
        position = self.state.position
        micro = min(stage.accumulation, self._micro_batches(stage) - position.micro)
        images = self._images_in(stage, position.micro, micro)
        rates = set_rates(self.stepper.optimiser, self.state.ledger.plan, position.step)
        outcome = self.stepper.step(islice(batches, micro), images)
        self._count_bad(outcome, position.step)
        self.state.sums = self.state.sums.add(images, dict(outcome.parts), self.clock() - began)
        self.state.position = replace(
            position, step=position.step + 1, micro=position.micro + micro
        )
        return StepRecord(
            position.step,
            epoch,
            outcome.loss,
            outcome.parts,
            rates,
            outcome.grad_norm,
            outcome.skipped,
        )

    def _images_in(self, stage: Stage, first: int, count: int) -> int:
        """Images, over all processes, in ``count`` micro-batches from number ``first`` on."""
        size = stage.micro_batch * self.runtime.world
        return min((first + count) * size, len(self.train_pairs)) - first * size

    def _count_bad(self, outcome: Outcome, step: int) -> None:
        self.state.bad_steps = self.state.bad_steps + 1 if outcome.skipped else 0
        if self.state.bad_steps >= MOST_BAD_STEPS:
            raise TrainingDiverged(
                "training",
                f"no finite gradient in {MOST_BAD_STEPS} steps in a row, up to step {step}",
                "resume from the last checkpoint with a lower --stage2-lr, more --warmup-epochs or"
                " --precision fp32",
            )

    def _end_epoch(self, stage: Stage, epoch: int) -> Iterator[Event]:
        began = self.clock()
        scores = yield from self._validate(stage)
        record = self._record(stage, epoch, scores, self.clock() - began)
        best = record.iou > self.state.best.iou
        if best:
            self.state.best = Best(record.iou, epoch, self.state.best.images)
        self.state.history = [r for r in self.state.history if r.epoch < epoch] + [record]
        self.state.position = replace(self.state.position, epoch=epoch, micro=0)
        self.state.sums = EpochSums()
        yield EpochDone(record, best)
        yield from self._save(best)

    def _validate(self, stage: Stage) -> Generator[Event, None, Scores]:
        predictor = Predictor(
            self.state.shipped, stage.img_size, self.runtime.device, self.runtime.dtype
        )
        mine = self.val_pairs[self.runtime.rank :: self.runtime.world]
        scored: list[ImageScores] = []
        size = 32  # images between two words of progress
        for i in range(0, len(mine), size):
            scored += score_pairs(predictor, mine[i : i + size])
            yield Validating(len(scored), len(mine))
        return mean_scores([s.scores for s in self.runtime.gather(scored)])

    def _record(self, stage: Stage, epoch: int, scores: Scores, seconds: float) -> EpochRecord:
        parts = self.state.sums.means()
        plan = self.state.ledger.plan
        first = plan.epoch_start(epoch)
        return EpochRecord(
            epoch=epoch,
            stage=stage.number,
            step=self.state.position.step,
            loss=sum(parts.values()),
            parts=parts,
            iou=scores.iou,
            dice=scores.dice,
            mae=scores.mae,
            lr={group: plan.lr(first, group) for group in plan.ratios},
            train_seconds=self.state.sums.seconds,
            val_seconds=seconds,
            img_size=stage.img_size,
            usage=tuple(torch.stack(self.state.model.usage_buffers()).mean(0).tolist()),
        )

    def _save(self, is_best: bool) -> Iterator[Saved]:
        if self.runtime.is_main:
            plain = self.state.to_plain(self.settings)
            save_sealed(self.folder.last, plain)
            yield Saved(self.folder.last, self.state.position)
            if is_best:
                best = self.folder.best
                replace_by_copy(self.folder.last, best, previous_of(best))
                yield Saved(best, self.state.position)

    def _asked_to_stop(self) -> bool:
        return self.runtime.any(self.stop())
