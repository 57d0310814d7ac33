"""What a stage will take, as numbers; who measures it is ``training.spending``."""

from dataclasses import dataclass

__all__ = ["Spending"]


@dataclass(frozen=True)
class Spending:
    """What a stage will take.

    Attributes:
        stage: its number.
        epochs: epochs still to train.
        seconds_per_epoch: or None where nothing is known.
        memory_bytes: largest need of the device, or None where it was not counted.
        source: where the numbers come from, for people.
    """

    stage: int
    epochs: int
    seconds_per_epoch: float | None
    memory_bytes: int | None
    source: str
