"""What training minimises: one file a term, and ``Criterion``, which joins and weighs them."""

from decamo.losses.criterion import Criterion, Losses
from decamo.losses.terms import (
    balance_loss,
    boundary_loss,
    pixel_loss,
    pixel_weights,
    region_loss,
    teaching_loss,
)

__all__ = [
    "Criterion",
    "Losses",
    "balance_loss",
    "boundary_loss",
    "pixel_loss",
    "pixel_weights",
    "region_loss",
    "teaching_loss",
]
