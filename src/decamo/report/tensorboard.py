"""A run as TensorBoard event files; the journal stays the truth."""

from pathlib import Path

from torch.utils.tensorboard.writer import SummaryWriter

from decamo.history import EpochDone, Event, StepDone
from decamo.settings.experts import level_name

__all__ = ["TensorBoard"]


class TensorBoard:
    """Writes loss terms and learning rates by step, scores by epoch.

    Args:
        folder: where event files go.
        first_step: steps from an abandoned future at or after this one are hidden.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=first_step or None)

    def hear(self, event: Event) -> None:
        """Write what an event tells."""
        if isinstance(event, StepDone):
            record = event.record
            values = {"loss/total": record.loss, "gradient/norm": record.grad_norm}
            values |= {f"loss/{name}": part for name, part in record.parts.items()}
            values |= {f"lr/{group}": rate for group, rate in record.lr.items()}
            self._write(values, record.step)
        elif isinstance(event, EpochDone):
            epoch = event.record
            scores = {"iou": epoch.iou, "dice": epoch.dice, "mae": epoch.mae}
            values = {f"validation/{name}": score for name, score in scores.items()}
            values |= {f"experts/{i}": share for i, share in enumerate(epoch.usage)}
            shares = {"entropy": epoch.routing_entropy, "balance": epoch.routing_balance}
            for name, levels in shares.items():
                values |= {f"routing_{name}/{level_name(n)}": v for n, v in enumerate(levels)}
            self._write(values, epoch.step - 1)  # its last; a resume hides its own first and later

    def close(self) -> None:
        """Write out what is pending."""
        self._writer.close()

    def _write(self, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
