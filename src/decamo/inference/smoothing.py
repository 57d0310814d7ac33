"""Maps of a video that do not flicker."""

import math

import numpy as np
import numpy.typing as npt

from decamo.errors import SettingsError

__all__ = ["Smoothing"]


class Smoothing:
    """An exponential moving average of maps over time; by the time of each frame, not its number.

    Args:
        seconds: after which a map's weight has fallen to 1/e; 0 leaves maps as they are.

    Raises:
        SettingsError: a negative time.
    """

    def __init__(self, seconds: float) -> None:
        if not 0 <= seconds < math.inf:
            raise SettingsError("--smooth", f"got {seconds:g}", "give seconds, such as 0.2")
        self.seconds = seconds
        self._mean: npt.NDArray[np.float32] | None = None
        self._time_s = 0.0

    def __call__(
        self, probability: npt.NDArray[np.float32], time_s: float
    ) -> npt.NDArray[np.float32]:
        """The mean up to this map, float32 ``[H, W]``; where the size changes it begins anew."""
        if not self.seconds:
            return probability
        mean, passed = self._mean, max(time_s - self._time_s, 0.0)
        if mean is None or mean.shape != probability.shape:
            mean = probability
        else:
            share = np.float32(-math.expm1(-passed / self.seconds))
            mean = mean + share * (probability - mean)
        self._mean, self._time_s = mean, time_s
        return mean
