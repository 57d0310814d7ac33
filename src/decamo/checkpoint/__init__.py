"""A run's checkpoint as one typed value, and the only doors between it and its file.

`load_save` and `recover` need torch and are imported by these names.
"""

from decamo.checkpoint.typed import Best, Checkpoint, EmaWeights, EpochSums, Generators

__all__ = ["Best", "Checkpoint", "EmaWeights", "EpochSums", "Generators"]
