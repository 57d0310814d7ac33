"""Files -> pairs -> samples -> batches: everything about images before the network sees them.

Augmentation, data set and loader need torch and are taken from their own modules.
"""

from decamo.data.census import (
    BadFile,
    Census,
    Entry,
    apply_noncam,
    load_cache,
    refuse_if_bad,
    save_cache,
    take_census,
)
from decamo.data.holdout import Split, fingerprint, hold_out
from decamo.data.layouts import Listing, find_pairs
from decamo.data.pairs import Pair
from decamo.data.reading import read_image, read_mask, read_pair

__all__ = [
    "BadFile",
    "Census",
    "Entry",
    "Listing",
    "Pair",
    "Split",
    "apply_noncam",
    "find_pairs",
    "fingerprint",
    "hold_out",
    "load_cache",
    "read_image",
    "read_mask",
    "read_pair",
    "refuse_if_bad",
    "save_cache",
    "take_census",
]
