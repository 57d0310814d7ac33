"""From files to native-size probability maps."""

from decamo.inference.predictor import Predictor, evaluating
from decamo.inference.writer import outline, overlay, write_overlay, write_probability

__all__ = [
    "Predictor",
    "evaluating",
    "outline",
    "overlay",
    "write_overlay",
    "write_probability",
]
