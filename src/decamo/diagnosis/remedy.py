"""What can be done about a cause: a command, what each flag does, what it costs and may bring."""

from collections.abc import Sequence
from dataclasses import dataclass

from decamo.diagnosis.command import Change, Order, pasteable
from decamo.diagnosis.expectations import Expectation
from decamo.diagnosis.run_state import RunState

__all__ = ["Remedy", "remedy_of"]


@dataclass(frozen=True)
class Remedy:
    """What to do.

    Attributes:
        title: in a few words.
        origin: ``action plan`` or ``ours``: whose advice this is.
        words: the command as the shell splits it.
        command: the same to paste.
        changes: the flags that matter, each explained.
        blanks: words in the command that a person must fill in.
        steps: what to do beside it, one sentence each.
        memory: flags to add if memory runs out; empty where nothing can be saved.
        epochs: that the command trains; None where it does not train, or where its end is not
            known.
        hours: that they take on the machine of the run; None where not known.
        expected: what it may bring.
    """

    title: str
    origin: str
    words: tuple[str, ...]
    command: str
    changes: tuple[Change, ...]
    blanks: tuple[str, ...]
    steps: tuple[str, ...]
    memory: str
    epochs: int | None
    hours: float | None
    expected: Expectation


def remedy_of(
    title: str,
    order: Order,
    standing: RunState,
    expected: Expectation,
    *,
    ours: bool = False,
    steps: Sequence[str] = (),
) -> Remedy:
    """Put it together: the time is that of past epochs, scaled by pixels where the size changes."""
    schedule = order.schedule
    epochs = schedule.last_epoch - order.start if schedule else None
    hours = None
    if schedule and epochs and standing.seconds and "--backbone" not in _named(order):
        scale = (schedule.img_size / standing.img_size) ** 2 if standing.img_size else 1.0
        hours = standing.seconds * scale * epochs / 3600
    return Remedy(
        title=title,
        origin="ours" if ours else "action plan",
        words=order.words,
        command=pasteable(order.words),
        changes=order.changes,
        blanks=order.blanks,
        steps=tuple(steps),
        memory=_memory(order, standing),
        epochs=epochs,
        hours=hours,
        expected=expected,
    )


# Flags that may ask for more memory than the run did before.
_HUNGRY = {"--img-size", "--stage2-batch-size", "--deep-supervision", "--backbone", "--precision"}


def _named(order: Order) -> set[str]:
    return {f"--{c.name}" for c in order.changes}


def _memory(order: Order, standing: RunState) -> str:
    """One image at a time, the images of a step kept; then a smaller size."""
    if order.schedule is None or not _HUNGRY & set(order.words):
        return ""
    batch, groups = order.schedule.fine_tune_batch, order.schedule.accumulation_steps
    if standing.settings is None:
        smaller = 384 if order.schedule.img_size > 384 else 352
        return f"--stage2-batch-size 1 --accumulation-steps 8, then --img-size {smaller}"
    flags = []
    if batch > 1:
        flags.append(f"--stage2-batch-size 1 --accumulation-steps {batch * groups}")
    if standing.img_size and order.schedule.img_size > standing.img_size:
        flags.append(f"--img-size {standing.img_size}")
    if not flags and not standing.settings.model.gradient_checkpointing:
        flags.append("--gradient-checkpointing")
    return ", then ".join(flags)
