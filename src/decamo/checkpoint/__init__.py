"""A run's checkpoint as one typed value, and the only doors between it and its file.

`load_save` needs torch and is imported by this name.
"""

from decamo.checkpoint.typed import Best, Checkpoint, EmaWeights, EpochSums, Generators

__all__ = ["Best", "Checkpoint", "EmaWeights", "EpochSums", "Generators"]
