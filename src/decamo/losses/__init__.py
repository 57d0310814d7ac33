"""What training minimises: one file a term, and ``Criterion``, which joins and weighs them."""

from decamo.losses.boundary import boundary_loss
from decamo.losses.criterion import DEFAULT_WEIGHTS, Criterion, Losses
from decamo.losses.load_balance import balance_loss
from decamo.losses.pixel import pixel_loss, pixel_weights
from decamo.losses.region import region_loss
from decamo.losses.teaching import teaching_loss

__all__ = [
    "DEFAULT_WEIGHTS",
    "Criterion",
    "Losses",
    "balance_loss",
    "boundary_loss",
    "pixel_loss",
    "pixel_weights",
    "region_loss",
    "teaching_loss",
]
