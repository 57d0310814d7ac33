"""How a run starts or goes on, from settings and a checkpoint; no torch.

Another number of devices changes neither plan nor order where the flags are the same: each step has
the images that it would have had, dealt out otherwise.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from decamo.schedule import Lineage, Position, Resumption, Segment, SegmentKind, plan_of, resume
from decamo.settings import TrainSettings, flag_of, shown
from decamo.settings.sections import DataSettings
from decamo.settings.words import counted

if TYPE_CHECKING:  # numpy and Pillow, which a plan needs not: decisions/0007
    from decamo.checkpoint import Checkpoint

__all__ = ["is_complete", "resumption_of"]


def resumption_of(
    settings: TrainSettings,
    checkpoint: "Checkpoint | None",
    *,
    images: int,
    world: int,
    other_masks: Sequence[str] | None = None,
    other_labels: str | None = None,
) -> Resumption:
    """How the run starts or goes on.

    Args:
        settings: what the user chose; on a resume already laid over the checkpoint's own.
        checkpoint: None for a new run.
        images: training images in an epoch now.
        world: devices now.
        other_masks: data sets whose masks mean something else than in the checkpoint; None where
            nobody looked, so that the words of ``--mask-values`` are compared.
        other_labels: how the pseudo-labels that train differ from the checkpoint's, in words; empty
            where they do not; None where nobody looked, so that the flags are compared.
    """
    if checkpoint is None:
        segment = Segment(SegmentKind.START, 0, 0, 0, 0, settings.schedule, images, world)
        plan_of(segment)
        return Resumption(SegmentKind.START, Lineage((segment,)), Position(), "a new run")
    lineage, position = checkpoint.lineage, checkpoint.position
    changes = _other_changes(checkpoint.settings, settings, other_masks)
    changes |= _other_labels(checkpoint.settings.data, settings.data, other_labels)

    def on(devices: int) -> Resumption:
        return resume(
            lineage, settings.schedule, position,
            images=images, world=devices, other_changes=changes,
        )  # fmt: skip

    planned = lineage.last.world
    as_planned = on(planned)
    if world == planned:
        return as_planned
    if as_planned.kind is SegmentKind.BRANCH:
        return on(world)
    stage = as_planned.lineage.plan.stage_of_epoch(position.epoch + 1)
    step = stage.micro_batch * stage.accumulation * planned
    told = (
        f"{as_planned.reason}; devices {planned} -> {world}: the same"
        f" {counted(step, 'image')} a step in the same order, but summed in another one, so not"
        " bit-equal"
    )
    return replace(as_planned, reason=told)


def is_complete(settings: TrainSettings, checkpoint: "Checkpoint") -> bool:
    """Whether nothing is left of a run that is to go on by itself."""
    done = checkpoint.position.epoch
    return settings.run.resume == "auto" and done >= settings.schedule.last_epoch


def _other_changes(
    old: TrainSettings, new: TrainSettings, other_masks: Sequence[str] | None
) -> dict[str, str]:
    """Flags outside of the schedule that make a branch, with their change in words."""
    pairs: list[tuple[str, object, object]] = [
        (f.name, old.optimise, new.optimise) for f in fields(new.optimise)
    ]
    pairs += [("seed", old.run, new.run), ("val_fraction", old.data, new.data)]
    changes = {
        flag_of(name): " -> ".join(shown(getattr(at, name)) or "default" for at in (before, after))
        for name, before, after in pairs
        if name != "reset_moments" and getattr(before, name) != getattr(after, name)
    }
    if (old.data.cache == "off") != (new.data.cache == "off"):  # the others' pixels are the same
        changes["--cache"] = f"{old.data.cache} -> {new.data.cache}"
    words = [shown(data.mask_values) or "as found" for data in (old.data, new.data)]
    if other_masks is None:
        if words[0] != words[1] and _say_otherwise(old.data.mask_values, new.data.mask_values):
            changes["--mask-values"] = " -> ".join(words)
    elif other_masks:  # the targets are others, whatever the words
        by = f" ({' -> '.join(words)})" if words[0] != words[1] else ""
        changes["--mask-values"] = f"other masks of {', '.join(other_masks)}{by}"
    if new.optimise.reset_moments:
        changes["--reset-moments"] = "given"
    return changes


def _other_labels(old: DataSettings, new: DataSettings, told: str | None) -> dict[str, str]:
    """What changed of pseudo-labels: their effect, where somebody looked, and else the flags."""
    more = [shown(data.unlabelled_confidence) for data in (old, new)]
    surer = {"--unlabelled-confidence": " -> ".join(more)} if more[0] != more[1] else {}
    if told is not None:
        return {"--unlabelled": told, **surer} if told else {}
    if bool(old.unlabelled) != bool(new.unlabelled):
        words = [shown(data.unlabelled) or "none" for data in (old, new)]
        return {"--unlabelled": " -> ".join(words)}
    return surer if new.unlabelled else {}


def _say_otherwise(old: Sequence[str], new: Sequence[str]) -> bool:
    # Pillow and NumPy, where words differ alone: decisions/0007
    from decamo.data.given_values import same_words

    return not same_words(old, new)
