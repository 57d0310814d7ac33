"""Training images decoded and squashed once, kept where every reading process can map them.

What needs torch (pixels, sources, building, choosing) is taken from its own module.
"""

from decamo.data.cache.identity import cache_identity, side_of

__all__ = ["cache_identity", "side_of"]
