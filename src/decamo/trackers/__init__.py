"""Trackers: TensorBoard, Weights & Biases, MLflow, Trackio; the journal stays the truth.

Each tracker has a file of its own. :class:`Tracking` feeds those that keep a run elsewhere, so that
a run that is killed and resumed is one run there, without a gap and without a step twice.
"""

from decamo.trackers.feeding import check_trackers, complete_trackers, open_trackers
from decamo.trackers.scalars import Row
from decamo.trackers.tensorboard import TensorBoard
from decamo.trackers.tracking import Tracker, Tracking

__all__ = [
    "Row",
    "TensorBoard",
    "Tracker",
    "Tracking",
    "check_trackers",
    "complete_trackers",
    "open_trackers",
]
