"""Steps that are not finite: left out, counted, named; and the ways out of trouble."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image

from decamo.data.dataset import Batch
from decamo.errors import CheckpointDamaged, MemoryExhausted, TrainingDiverged
from decamo.history import RolledBack
from decamo.schedule import Lineage, Position, SegmentKind, Stage, brought_back, rolled_back, split
from decamo.storage import RunFolder, make_folder, write_whole
from decamo.system import file_name
from decamo.training.checkpoint_manager import CheckpointManager
from decamo.training.runtime import Runtime
from decamo.training.state import TrainState
from decamo.training.step import Stepper

__all__ = [
    "MOST_BAD_STEPS",
    "MOST_ROLLBACKS",
    "GoBack",
    "StabilityMonitor",
    "Unhealthy",
    "keep_suspects",
    "make_room",
    "return_to_checkpoint",
    "suspects_among",
]


@dataclass
class GoBack(Exception):
    """The state cannot be trusted: go back to the last checkpoint.

    Attributes:
        why: for people.
        slower: whether the learning rates are halved.
        samples: keys of the images in question.
    """

    why: str
    slower: bool
    samples: tuple[str, ...] = ()


def return_to_checkpoint(
    state: TrainState, manager: CheckpointManager, runtime: Runtime, back: GoBack
) -> RolledBack:
    """Put the state back to the last checkpoint; its lineage keeps what was decided since.

    Raises:
        CheckpointError: neither the last checkpoint nor the one before it can be used.
    """
    from_step = state.position.step
    with runtime.main_first():  # which wrote it
        found = manager.load_last()
    held, position = found.checkpoint, found.checkpoint.position
    if position.step > from_step:  # the run was resumed from further back than this one stood
        raise CheckpointDamaged(
            manager.folder.last,
            f"damaged; and {found.path.name}, the one before it, is at step {position.step}, where"
            f" this run, now at step {from_step}, has not been",
            "go on from another checkpoint of the run folder, such as the one resumed from",
        )
    lineage, position = brought_back(state.lineage, held.lineage, position)
    lineage = rolled_back(lineage, position, back.why) if back.slower else _at(lineage, position)
    state.go_back(held, lineage, position)
    reason = "; ".join((lineage.last.reason, *found.notes))
    return RolledBack(from_step, position, reason, back.samples, lineage)


def make_room(state: TrainState, stepper: Stepper, stage: Stage, torn: bool) -> Lineage:
    """The lineage of a run that takes its micro-batches in more pieces.

    Args:
        state: of the run.
        stepper: whose optimizer gives up its fast update, which holds copies, where it was torn.
        stage: under way.
        torn: whether the memory ran out in the optimizer.

    Raises:
        MemoryExhausted: there is nothing left to give up.
    """
    frugal = [group.get("foreach") is False for group in stepper.optimizer.param_groups]
    if torn:
        for group in stepper.optimizer.param_groups:
            group["foreach"], group["fused"] = False, None
    cut = split(state.lineage, state.position, stage.number, "out of memory")
    if cut is not None:
        return cut
    if torn and not all(frugal):
        now = replace(
            state.lineage.last,
            kind=SegmentKind.SPLIT,
            at_epoch=state.position.epoch,
            at_step=state.position.step,
            reason="out of memory in the optimizer: parameters are updated one by one",
        )
        return state.lineage.with_segment(now)
    raise MemoryExhausted(
        "training",
        f"not even one image of {stage.img_size} px fits, in stage {stage.number}",
        "give --gradient-checkpointing, a smaller --img-size or a smaller --backbone, and end other"
        " programs on the device",
    )


def _at(lineage: Lineage, position: Position) -> Lineage:
    """The lineage with its last decision dated back to ``position``."""
    last = replace(lineage.last, at_epoch=position.epoch, at_step=position.step)
    return Lineage((*(s for s in lineage.segments[:-1] if s.at_step <= position.step), last))


@torch.no_grad()
def suspects_among(stepper: Stepper, batches: Sequence[Batch]) -> tuple[str, ...]:
    """Keys of the images whose own loss is not finite; of all, where each alone is finite."""
    found = [
        batch.keys[i]
        for batch in batches
        for i in range(batch.size)
        if not stepper.loss_is_finite(_one(batch, i))
    ]
    return tuple(found) or tuple(key for batch in batches for key in batch.keys)


def keep_suspects(
    folder: RunFolder, step: int, batches: Sequence[Batch], keys: Sequence[str]
) -> None:
    """Save these images, as the network saw them, with their masks, as PNG for people to look at.

    Raises:
        StorageError: they cannot be written.
    """
    place = folder.suspects / f"step-{step:06d}"
    make_folder(place)
    for batch in batches:
        for i, key in enumerate(batch.keys):
            if key in keys:
                name = file_name(key)
                pixels = batch.image[i].permute(1, 2, 0).numpy()
                write_whole(place / f"{name}.png", _png(Image.fromarray(pixels)))
                mask = Image.fromarray(_GREYS[batch.mask[i, 0].numpy()])
                write_whole(place / f"{name}-mask.png", _png(mask))


_GREYS = np.full(256, 128, dtype=np.uint8)  # void, where a data set has it, is grey
_GREYS[:2] = 0, 255


def _one(batch: Batch, i: int) -> Batch:
    part = slice(i, i + 1)
    return Batch(batch.image[part], batch.mask[part], batch.keys[part])


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


# A float16 scale falls from 65,536 to its floor of 1 in 16 bad steps; what is still not finite a
# few steps later is no matter of scaling.
MOST_BAD_STEPS = 20
# Three times half the learning rates is an eighth; what diverges even then has another cause.
MOST_ROLLBACKS = 3


@dataclass
class Unhealthy(Exception):
    """The run cannot go on from where it stands.

    Attributes:
        why: for people.
        samples: keys of the images in question; empty where none is.
    """

    why: str
    samples: tuple[str, ...] = ()


@dataclass
class StabilityMonitor:
    """Watches a run.

    Attributes:
        stepper: asked which images make the loss non-finite.
        folder: where these images are kept for people to look at.
        rollback: whether to go back to the last checkpoint; otherwise the run ends.
        writes: whether this process writes files.
        trouble: the step from which the run went back last.
        tried: how often it went back without getting beyond ``trouble``.
    """

    stepper: Stepper
    folder: RunFolder
    rollback: bool
    writes: bool
    trouble: int = -1
    tried: int = 0

    def after_step(self, state: TrainState, held: Sequence[Batch]) -> None:
        """Too many bad steps in a row are a verdict.

        Raises:
            Unhealthy: the last :data:`MOST_BAD_STEPS` steps had no finite loss and gradient.
        """
        step = state.position.step
        if not state.bad_steps and step > self.trouble:
            self.tried = 0
        if state.bad_steps < MOST_BAD_STEPS:
            return
        samples = suspects_among(self.stepper, held)
        if self.writes:
            keep_suspects(self.folder, step, held, samples)
        raise Unhealthy(
            f"no finite loss and gradient in {MOST_BAD_STEPS} steps in a row, up to step {step}",
            samples,
        )

    def before_save(self, state: TrainState) -> None:
        """A checkpoint is only written of what is finite.

        Raises:
            Unhealthy: weights, averages, buffers or moments are not finite.
        """
        if bad := state.not_finite():
            more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
            raise Unhealthy(f"not finite after step {state.position.step - 1}: {bad[0]}{more}")

    def way_out(self, step: int, found: Unhealthy) -> Exception:
        """What to raise at ``step``: the way back to the last checkpoint, or the end of the run."""
        if self.rollback and self.tried < MOST_ROLLBACKS:
            self.tried, self.trouble = self.tried + 1, max(step, self.trouble)
            return GoBack(found.why, slower=True, samples=found.samples)
        tried = " after going back and halving the learning rates" * self.rollback
        named = f"; images in question: {', '.join(found.samples[:4])}" if found.samples else ""
        return TrainingDiverged(
            "training",
            f"{found.why}{tried}{named}",
            f"the last healthy checkpoint is {self.folder.last}; go on from it with a lower"
            " --stage2-lr, more --warmup-epochs or --precision fp32"
            + (f", and look at {self.folder.suspects}" if found.samples else ""),
        )
