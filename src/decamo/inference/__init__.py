"""From files to native-size probability maps.

``load_model`` and ``predictor`` need torch and are imported by these names.
"""

from decamo.inference.writer import mask_outline, overlay, write_overlay, write_probability

__all__ = [
    "mask_outline",
    "overlay",
    "write_overlay",
    "write_probability",
]
