"""From files to native-size probability maps."""

from decamo.inference.load import Loaded, load_model
from decamo.inference.predictor import Predictor, evaluating
from decamo.inference.writer import outline, overlay, write_overlay, write_probability

__all__ = [
    "Loaded",
    "Predictor",
    "evaluating",
    "load_model",
    "outline",
    "overlay",
    "write_overlay",
    "write_probability",
]
