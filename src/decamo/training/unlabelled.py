"""Unlabelled photographs join the training images under pseudo-labels that are sure enough."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import median

from decamo.checkpoint import Checkpoint
from decamo.data.census import (
    Census,
    Entry,
    load_cache,
    refuse_many_bad,
    save_cache,
    take_census,
)
from decamo.data.layouts import find_pairs
from decamo.data.pairs import Pair
from decamo.data.pseudo_pairs import (
    copies_among,
    in_known_order,
    is_pseudo,
    pseudo_pair,
    with_pseudo_labels,
)
from decamo.data.rules import ReadingRule
from decamo.data.split_record import SplitRecord
from decamo.data.waiting import Ear
from decamo.errors import DataError
from decamo.settings import DataSettings, TrainSettings
from decamo.settings.words import counted
from decamo.storage import RunFolder
from decamo.training.data_splits import DataSplits, wanted_of
from decamo.training.label_check import HeldOut
from decamo.training.photographs import find_photographs
from decamo.training.pseudo_labels import Labelling, label_photographs
from decamo.training.runtime import Runtime

__all__ = ["join_unlabelled"]


def join_unlabelled(
    splits: DataSplits,
    settings: TrainSettings,
    folder: RunFolder,
    runtime: Runtime,
    checkpoint: Checkpoint | None,
    *,
    ear: Ear,
    on_progress: Callable[[int, int], None],
) -> DataSplits:
    """Label the photographs under ``--unlabelled`` that have no label, and take in the sure ones.

    They train with the weight of any other image, behind those; none is held out. Left out are
    photographs whose label is expected to have a lower IoU than ``--unlabelled-confidence``, and
    copies of a labelled image or of one to validate or to test on, by bytes or look.

    Args:
        splits: the labelled images.
        settings: of the run.
        folder: of the run; labels are kept there, and nothing is labelled twice.
        runtime: device and processes.
        checkpoint: that the run goes on from.
        ear: listened to meanwhile.
        on_progress: called with (photographs labelled, those to be labelled).

    Raises:
        DataError: a folder is missing or holds no photograph, over 1 % of them cannot be read, none
            is sure enough, or labels that the run has trained under are gone.
        CheckpointError: the network that is to label cannot be had.
        StopAsked: there was a reason to stop.
        StorageError: a mask cannot be written.
    """
    before = tuple(known for known in splits.record.images if is_pseudo(known))
    if not settings.data.unlabelled:
        return splits
    found = find_photographs(settings.data.unlabelled)
    made = label_photographs(
        found.files, settings, folder, runtime, checkpoint,
        held=HeldOut(splits.val, splits.record), ear=ear, on_progress=on_progress,
    )  # fmt: skip
    sure, census, others = _looked_at(splits, made, settings, folder, runtime, ear)
    bad = (*made.bad, *census.bad)
    refuse_many_bad(bad, len(made.labels) + len(made.bad), "--unlabelled", "photographs")
    tested, labelled = _copies(census.entries, others, splits)
    fit = [entry for at, entry in enumerate(census.entries) if at not in tested | labelled]
    joined = in_known_order([entry for entry in fit if entry.foreground > 0], before)
    if not joined:
        raise _nothing(made, settings, len(tested), len(labelled))
    left_out = {
        "less sure": len(made.labels) - len(sure) + len(fit) - len(joined),
        "unreadable": len(bad),
        "copies of images to validate or test on": len(tested),
        "copies of labelled training images": len(labelled),
    }
    confidence = {label.mask: label.confidence for _, label in made.labels}
    surely = median(confidence[entry.pair.mask.name] for entry in joined)
    return replace(
        splits,
        train=(*splits.train, *(entry.pair for entry in joined)),
        bad=(*splits.bad, *bad),
        notes=(
            *splits.notes,
            *made.lines,
            *([f"not taken for photographs: {words}"] if (words := found.left_out()) else []),
            f"{len(joined)} of {counted(len(found.files), 'unlabelled photograph')} train under"
            f" pseudo-labels, with an expected IoU of {surely:.2f} in the median"
            f"{_left_out(left_out)}; {made.made} labelled now, kept in {folder.pseudo_labels}",
        ),
        record=with_pseudo_labels(_labelled_only(splits), len(splits.train), joined, before),
        pseudo=len(joined),
    )


def _labelled_only(splits: DataSplits) -> SplitRecord:
    kept = tuple(known for known in splits.record.images if not is_pseudo(known))
    return replace(splits.record, images=kept)


def _looked_at(
    splits: DataSplits,
    made: Labelling,
    settings: TrainSettings,
    folder: RunFolder,
    runtime: Runtime,
    ear: Ear,
) -> tuple[Sequence[Pair], Census, Sequence[Entry]]:
    """Pairs that are sure enough, a census of them, and the images that they must not copy."""
    data, index = settings.data, made.index
    sure = [
        pseudo_pair(path, index.mask_of(label), index.scale, data.max_pixels)
        for path, label in made.labels
        if label.confidence >= data.unlabelled_confidence
    ]
    own = [*splits.train, *splits.val]
    known = {pair.image for pair in own}
    pairs = [*sure, *own, *(p for p in _tests(data) if p.image not in known)]
    bound = ReadingRule(max_pixels=data.max_pixels)  # as the census of labelled pairs has it
    seen = load_cache(folder.census)
    census = take_census(
        [replace(pair, rule=bound) for pair in pairs],
        workers=max(data.num_workers, 1), seen=seen, ear=ear,
    )  # fmt: skip
    if runtime.is_main:
        save_cache(folder.census, census)
    by_key = {pair.key: pair for pair in sure}
    entries = [replace(e, pair=by_key[e.pair.key]) for e in census.entries if e.pair.key in by_key]
    others = [entry for entry in census.entries if entry.pair.key not in by_key]
    bad = tuple(one for one in census.bad if one.pair_key in by_key)
    return sure, Census(entries, bad), others


def _tests(data: DataSettings) -> Sequence[Pair]:
    """The pairs to test on in the data sets that train."""
    try:
        return find_pairs(data.dataset_path, "test", wanted_of(data)).pairs
    except DataError:  # they hold none
        return ()


def _copies(
    entries: Sequence[Entry], others: Sequence[Entry], splits: DataSplits
) -> tuple[set[int], set[int]]:
    """Places of copies of images to validate or test on, and of copies of those that train."""
    trains = {pair.image for pair in splits.train}
    apart = [entry for entry in others if entry.pair.image not in trains]
    tested = copies_among(entries, apart)
    own = [entry for entry in others if entry.pair.image in trains]
    return tested, copies_among(entries, own) - tested


def _nothing(made: Labelling, settings: TrainSettings, tests: int, labelled: int) -> DataError:
    least = settings.data.unlabelled_confidence
    surest = max((label.confidence for _, label in made.labels), default=0.0)
    if surest < least:
        return DataError(
            "--unlabelled",
            f"none of {counted(len(made.labels), 'photograph')} is labelled with an expected IoU of"
            f" {least:g} or more; the surest has {surest:.2f}",
            "lower --unlabelled-confidence, or let a better network label them: --teacher",
        )
    return DataError(
        "--unlabelled",
        f"no photograph is left: {tests} are copies of images to validate or test on, {labelled} of"
        " labelled training images",
        "name photographs that the data sets do not hold",
    )


def _left_out(counts: Mapping[str, int]) -> str:
    parts = [f"{count} {what}" for what, count in counts.items() if count]
    return f"; left out: {', '.join(parts)}" if parts else ""
