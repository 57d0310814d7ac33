"""The images of a run: found, looked at once, filtered by the NonCAM policy, split."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from decamo.checkpoint import Checkpoint
from decamo.data.census import (
    BadFile,
    Entry,
    apply_noncam,
    load_cache,
    refuse_if_bad,
    save_cache,
    take_census,
)
from decamo.data.deciding import apply_rules
from decamo.data.earlier_splits import earlier_record
from decamo.data.holdout import Split, content_fingerprint, hold_out
from decamo.data.layouts import find_pairs
from decamo.data.neighbours import Neighbours, find_neighbours
from decamo.data.pairs import Pair
from decamo.data.pseudo_pairs import labelled_record, with_pseudo_labels
from decamo.data.rules import ReadingRule
from decamo.data.split_record import Followed, Known, SplitRecord, follow, former_names, record_of
from decamo.data.waiting import NOBODY, Ear
from decamo.data.wanted import Wanted
from decamo.settings import DataSettings
from decamo.settings.words import verb

__all__ = ["DataSplits", "find_splits", "wanted_of"]

_NEAR = 0.75  # of the images asked for, or its inverse: what rounding by groups may do unsaid


@dataclass(frozen=True)
class DataSplits:
    """The images of a run.

    Attributes:
        train: images that train, in the order of their keys; in a run that goes on in the order
            that it knows them in.
        val: images held out of them.
        sources: which data sets were found where, a line each.
        orphans: images without a mask and masks without an image.
        bad: pairs that cannot be decoded; they are left out.
        dropped: images without an object that the NonCAM policy leaves out.
        rules: how the files of each data set are read.
        notes: what was decided so, and what is to be said of the split and of what changed since
            the checkpoint, a line each.
        warnings: what does not fit what was decided, a line each.
        record: what a checkpoint is to remember of all images.
        val_print: names the held-out images by the content of their files.
        known_as: all prints under which a checkpoint may know these very held-out images.
        other_masks: data sets whose masks mean something else than in the checkpoint; None where it
            does not say what they meant.
        pseudo: how many that train do so under pseudo-labels; they are the last ones.
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
    record: SplitRecord = SplitRecord()
    val_print: str = ""
    known_as: frozenset[str] = frozenset()
    other_masks: tuple[str, ...] | None = None
    pseudo: int = 0


def find_splits(
    settings: DataSettings,
    cache: Path,
    on_progress: Callable[[int, int], None],
    *,
    keep: bool = True,
    checkpoint: Checkpoint | None = None,
    ear: Ear = NOBODY,
) -> DataSplits:
    """Find, check and split the labelled training images.

    Those under ``--unlabelled`` join them in :func:`decamo.training.unlabelled.join_unlabelled`.

    Args:
        settings: where they are and which of them train.
        cache: what an earlier look found is read from here and kept here.
        on_progress: called with (pairs looked at, pairs in all).
        keep: whether to write ``cache``; of several processes only one should.
        checkpoint: of the run that goes on; its images keep their sides, whatever they are called,
            and are read as they were.
        ear: listened to meanwhile.

    Raises:
        DataError: nothing there, too much of it broken, or too little to split.
        SettingsError: ``--mask-values`` cannot be meant.
    """
    listing = find_pairs(settings.dataset_path, "train", wanted_of(settings))
    bound = ReadingRule(max_pixels=settings.max_pixels)
    seen = load_cache(cache)
    census = take_census(
        [replace(pair, rule=bound) for pair in listing.pairs],
        workers=max(settings.num_workers, 1),
        seen=seen,
        on_progress=on_progress,
        ear=ear,
    )
    if keep:
        save_cache(cache, census)
    held = dict(checkpoint.rules) if checkpoint else {}
    past, pseudo = _past(checkpoint, census.entries)
    if held and past is not None:
        former = former_names(census.entries, past)
        held = {name: held[old] for name, old in former.items() if old in held} | {**held}
    ruled = apply_rules(
        census,
        given=settings.mask_values,
        held=held,
        before=checkpoint.settings.data.mask_values if checkpoint else (),
        max_pixels=settings.max_pixels,
    )
    census = ruled.census
    refuse_if_bad(census)
    kept, dropped = apply_noncam(census.entries, settings.noncam)
    found = find_neighbours(kept, settings.group_by)
    if checkpoint is None:
        split = hold_out(kept, settings.val_fraction, found.groups)
        lines = _parted(split, found, kept, "for want of others") or _apart(found)
        unasked = _unasked(split, settings.val_fraction, found)
        followed = Followed(split, record_of(split), (*lines, *unasked))
    else:
        followed = _followed(kept, settings, replace(checkpoint, images=past), seen, found)
    split = followed.split
    now = content_fingerprint(split.val)
    same = followed.same and checkpoint is not None
    return DataSplits(
        train=tuple(entry.pair for entry in split.train),
        val=tuple(entry.pair for entry in split.val),
        sources=listing.sources,
        orphans=listing.orphans,
        bad=census.bad,
        dropped=len(dropped),
        rules=ruled.rules,
        notes=(*ruled.lines, *followed.lines),
        warnings=ruled.warnings,
        record=with_pseudo_labels(followed.record, len(split.train), (), pseudo),
        val_print=now,
        known_as=frozenset({now, checkpoint.best.images} if same and checkpoint else {now}),
        other_masks=ruled.others if held else None,
    )


def _past(
    checkpoint: Checkpoint | None, entries: Sequence[Entry]
) -> tuple[SplitRecord | None, tuple[Known, ...]]:
    """The labelled images that a run has met, where it remembers them, and the others."""
    if checkpoint is None or checkpoint.images is None:
        return None, ()
    return labelled_record(checkpoint.images, entries)


def wanted_of(settings: DataSettings) -> Wanted:
    """What the settings say of data sets beyond where they are."""
    return Wanted(settings.train_on, settings.test_on, settings.mask_suffix)


def _apart(found: Neighbours) -> tuple[str, ...]:
    if not found.lines:
        return ()
    return (
        f"neighbours stay on one side of the hold-out: {'; '.join(found.lines)}"
        " (--group-by none parts them)",
    )


def _unasked(split: Split, fraction: float, found: Neighbours) -> tuple[str, ...]:
    """A line where many more or fewer images are held out than the share that was asked for."""
    images = len(split.train) + len(split.val)
    asked, got = fraction * images, len(split.val)
    if round(asked) in (0, images):
        share = f"{got} of {images} images {verb(got)} held out"
        return (f"{share}: --val-fraction {fraction:g} of them is less than one on a side",)
    if _NEAR * asked <= got <= asked / _NEAR or abs(got - asked) <= 1:
        return ()
    smallest = min((len(group) for group in found.groups), default=1)
    return (
        f"warning: {got} of {images} images {verb(got)} held out, not {round(asked)}"
        f" (--val-fraction {fraction:g}): neighbours stay together, and the smallest group of them"
        f" has {smallest}; add others, or say with --group-by what belongs together",
    )


def _followed(
    entries: Sequence[Entry],
    settings: DataSettings,
    checkpoint: Checkpoint,
    seen: Mapping[str, object],
    found: Neighbours,
) -> Followed:
    """The split of a run that goes on."""
    data = checkpoint.settings.data
    before = data.val_fraction
    proven = True
    if checkpoint.images is not None:
        record = checkpoint.images
    else:
        record, proven = earlier_record(
            entries,
            before,
            checkpoint.best.images,
            seen=seen,
            roots=[str(path) for path in data.dataset_path],
            noncam=data.noncam,
        )
    followed = follow(entries, record, settings.val_fraction, before=before, groups=found.groups)
    lines = followed.lines
    begun = "that this run was begun with"
    if checkpoint.images is None and not checkpoint.best.images:
        lines = (
            "warning: nobody knows which of them the other program held out: some that are held out"
            " now may have trained, and validation will score too high",
        )
    elif not proven:
        lines = (
            "warning: the checkpoint remembers its images by names alone, which are not these: some"
            " that are held out now may have trained",
        )
    return Followed(
        followed.split,
        followed.record,
        (*lines, *_parted(followed.split, found, entries, begun)),
        followed.same and proven,
    )


def _parted(
    split: Split, found: Neighbours, entries: Sequence[Entry], what: str
) -> tuple[str, ...]:
    """A warning where neighbours are on both sides."""
    held = {entry.pair.image for entry in split.val}
    image_of = {entry.pair.key: entry.pair.image for entry in entries}
    both = sum(len({image_of[key] in held for key in group}) == 2 for group in found.groups)
    if not both:
        return ()
    which = "1 group of neighbours lies" if both == 1 else f"{both} groups of neighbours lie"
    return (
        f"warning: {which} on both sides of the hold-out {what}: validation will score too high",
    )
