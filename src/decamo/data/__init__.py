"""Files -> pairs -> samples -> batches: everything about images before the network sees them."""

from decamo.data.augment import Augmentation
from decamo.data.census import (
    BadFile,
    Census,
    Entry,
    apply_noncam,
    load_cache,
    recorded,
    refuse_if_bad,
    save_cache,
    take_census,
)
from decamo.data.dataset import CamouflageDataset, Sample
from decamo.data.holdout import Split, fingerprint, hold_out
from decamo.data.layouts import Listing, find_pairs
from decamo.data.loader import (
    Batch,
    EpochSampler,
    make_loader,
    micro_batches_per_epoch,
    permutation,
)
from decamo.data.pairs import Pair
from decamo.data.reading import read_image, read_mask, read_pair

__all__ = [
    "Augmentation",
    "BadFile",
    "Batch",
    "CamouflageDataset",
    "Census",
    "Entry",
    "EpochSampler",
    "Listing",
    "Pair",
    "Sample",
    "Split",
    "apply_noncam",
    "find_pairs",
    "fingerprint",
    "hold_out",
    "load_cache",
    "make_loader",
    "micro_batches_per_epoch",
    "permutation",
    "read_image",
    "read_mask",
    "read_pair",
    "recorded",
    "refuse_if_bad",
    "save_cache",
    "take_census",
]
