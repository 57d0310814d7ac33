"""The images of a run: found, looked at once, filtered by the NonCAM policy, split."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from decamo.data.census import (
    BadFile,
    apply_noncam,
    load_cache,
    refuse_if_bad,
    save_cache,
    take_census,
)
from decamo.data.deciding import apply_rules
from decamo.data.holdout import hold_out
from decamo.data.layouts import find_pairs
from decamo.data.pairs import Pair
from decamo.data.rules import ReadingRule
from decamo.settings import DataSettings

__all__ = ["Supply", "find_supply"]


@dataclass(frozen=True)
class Supply:
    """The images of a run.

    Attributes:
        train: images that train, in the order of their keys.
        val: images held out of them.
        sources: which data sets were found where, a line each.
        orphans: images without a mask and masks without an image.
        bad: pairs that cannot be decoded; they are left out.
        dropped: images without an object that the NonCAM policy leaves out.
        rules: how the files of each data set are read.
        notes: what was decided so, a line each.
        warnings: what does not fit what was decided, a line each.
    """

    train: tuple[Pair, ...]
    val: tuple[Pair, ...]
    sources: tuple[str, ...]
    orphans: tuple[Path, ...]
    bad: tuple[BadFile, ...]
    dropped: int
    rules: Mapping[str, ReadingRule] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def find_supply(
    settings: DataSettings,
    cache: Path,
    on_progress: Callable[[int, int], None],
    *,
    keep: bool = True,
    held: Mapping[str, ReadingRule] | None = None,
) -> Supply:
    """Find, check and split the training images.

    Args:
        settings: where they are and which of them train.
        cache: what an earlier look found is read from here and kept here.
        on_progress: called with (pairs looked at, pairs in all).
        keep: whether to write ``cache``; of several processes only one should.
        held: rules of reading that a checkpoint was trained by, by data set; they stay.

    Raises:
        DataError: nothing there, too much of it broken, or too little to split.
        SettingsError: ``--mask-values`` cannot be meant.
    """
    listing = find_pairs(settings.dataset_path, "train")
    bound = ReadingRule(max_pixels=settings.max_pixels)
    census = take_census(
        [replace(pair, rule=bound) for pair in listing.pairs],
        workers=max(settings.num_workers, 1),
        seen=load_cache(cache),
        on_progress=on_progress,
    )
    if keep:
        save_cache(cache, census)
    ruled = apply_rules(
        census, given=settings.mask_values, held=held, max_pixels=settings.max_pixels
    )
    census = ruled.census
    refuse_if_bad(census)
    kept, dropped = apply_noncam(census.entries, settings.noncam)
    split = hold_out(kept, settings.val_fraction)
    return Supply(
        tuple(entry.pair for entry in split.train),
        tuple(entry.pair for entry in split.val),
        listing.sources,
        listing.orphans,
        census.bad,
        len(dropped),
        ruled.rules,
        ruled.lines,
        ruled.warnings,
    )
