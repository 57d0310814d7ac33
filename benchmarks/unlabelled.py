"""What pseudo-labels bring: a data set's photographs without masks, with a network's, with its own.

Three arms of one recipe, seed by seed: the other data sets alone; those and this one's photographs
under pseudo-labels by the first arm's network; all true masks. The arms have about as many
optimizer steps: more of them would be better by themselves.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality_flags import (
    add_hold_out,
    add_terms,
    check_hold_out,
    images_of,
    terms_of,
)
from benchmarks.quality_gaps import Gap, gap_of
from benchmarks.quality_recipes import OURS, Entry, entry_of
from benchmarks.quality_runs import scored
from benchmarks.quality_scores import Score
from benchmarks.quality_table import gaps_markdown, scores_markdown, table
from benchmarks.quality_train import Ground, train_entry
from decamo import __version__
from decamo.data.kept_memory import keep_freed_memory
from decamo.data.pairs import Pair
from decamo.data.reading import read_labelled
from decamo.data.waiting import NOBODY
from decamo.errors import SettingsError
from decamo.evaluation import CaseSet, Measurer, Rules
from decamo.flags import Parser, write_json
from decamo.metrics import iou
from decamo.settings import TrainSettings
from decamo.stop_signals import stop_requests
from decamo.storage import RunFolder, make_folder
from decamo.training.data_splits import DataSplits
from decamo.training.label_index import LabelIndex
from decamo.training.runtime import open_runtime
from decamo.training.unlabelled import join_unlabelled

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks unlabelled``."""
    add = parser.add_argument_group("what is compared").add_argument
    add("--without-masks", default="CAMO", metavar="NAME",
        help="data sets whose name begins so are the unlabelled ones (CAMO)")  # fmt: skip
    add("--confidence", nargs="+", type=float, default=[0.7], metavar="X",
        help="--unlabelled-confidence of an arm each (0.7)")  # fmt: skip
    add("--entry", default="decamo-own", choices=list(OURS), metavar="NAME",
        help=f"network and recipe of all arms, of {', '.join(OURS)} (decamo-own)")  # fmt: skip
    add_hold_out(parser)
    add_terms(parser, work="runs/unlabelled")


@dataclass(frozen=True)
class _Labels:
    """The labels that train in an arm of a seed, beside the true masks.

    Attributes:
        arm: its name.
        seed: of its run.
        photographs: that were labelled.
        joined: that train.
        expected: mean expected IoU of these.
        true: mean IoU of these with their true masks.
    """

    arm: str
    seed: int
    photographs: int
    joined: int
    expected: float
    true: float


@dataclass(frozen=True)
class _Arms:
    """What all arms have in common.

    Attributes:
        ground: with all true masks.
        half: the images of the other data sets.
        hidden: the pairs whose masks are not to be seen.
        held: images that are scored, of the training ones; none where test images are.
        entry: network and recipe.
        confidences: an arm each.
        sets: that are scored.
        measurer: scores maps.
    """

    ground: Ground
    half: DataSplits
    hidden: tuple[Pair, ...]
    held: tuple[Pair, ...]
    entry: Entry
    confidences: Sequence[float]
    sets: Sequence[CaseSet]
    measurer: Measurer

    @property
    def few(self) -> Entry:
        """The other data sets alone; its network labels."""
        return replace(self.entry, name="without it")

    @property
    def every(self) -> Entry:
        """All true masks."""
        return replace(self.entry, name="all true masks")

    def labelled(self, confidence: float) -> Entry:
        """The photographs under pseudo-labels."""
        return replace(self.entry, name=f"pseudo-labels {confidence:g}")

    def epochs(self, splits: DataSplits) -> int:
        """So many that an arm has about as many steps as the one with all true masks."""
        whole = self.ground.terms.epochs * len(self.ground.splits.train)
        return max(round(whole / len(splits.train)), 1)

    def score(self, entry: Entry, splits: DataSplits, seed: int) -> Score | None:
        """Train and score an arm, or read its score; None where it was stopped."""
        ground = replace(self.ground, splits=splits)
        return scored(ground, entry, seed, self.epochs(splits), self.sets, self.measurer)

    def scores(self, seed: int) -> tuple[list[Score], list[_Labels]] | None:
        """Of all arms of a seed; None where it was stopped."""
        found = [
            self.score(self.few, self.half, seed),
            self.score(self.every, self.ground.splits, seed),
        ]
        ground = replace(self.ground, splits=self.half)
        teacher = train_entry(ground, self.few, seed, self.epochs(self.half))
        if None in found or teacher is None:
            return None
        told: list[_Labels] = []
        for confidence in self.confidences:
            entry = self.labelled(confidence)
            splits, labels = self._joined(entry, confidence, teacher.checkpoint, seed)
            told.append(labels)
            found.append(self.score(entry, splits, seed))
        kept = [score for score in found if score is not None]
        return (kept, told) if len(kept) == len(found) else None

    def _joined(
        self, entry: Entry, confidence: float, teacher: Path, seed: int
    ) -> tuple[DataSplits, _Labels]:
        folder = RunFolder(self.ground.root / f"labels-seed{seed}")
        make_folder(folder.root)
        settings = self._settings(confidence, teacher, seed, folder)
        # What is scored must not train, though it lies in the same folder.
        apart = replace(self.half, val=self.held or self.half.val)
        joined = join_unlabelled(
            apart, settings, folder, self.ground.runtime, None,
            ear=NOBODY, on_progress=lambda _done, _of: None,
        )  # fmt: skip
        self.ground.say(f"{entry.name}, seed {seed}: {joined.notes[-1]}")
        index = LabelIndex.read(folder.pseudo_labels)
        labels = {index.mask_of(label): label for label in index.labels.values()}
        pairs = joined.train[len(joined.train) - joined.pseudo :]
        truth = {pair.image: pair for pair in self.hidden}
        true = [_iou(pair, truth[pair.image]) for pair in pairs if pair.image in truth]
        expected = [labels[pair.mask].confidence for pair in pairs]
        figures = (len(labels), len(pairs), float(np.mean(expected)), float(np.mean(true)))
        return replace(joined, val=self.half.val), _Labels(entry.name, seed, *figures)

    def _settings(
        self, confidence: float, teacher: Path, seed: int, folder: RunFolder
    ) -> TrainSettings:
        settings = self.ground.terms.settings(self.few, seed, 1, folder.root)
        places = tuple(sorted({pair.image.parent for pair in self.hidden}))
        data = replace(settings.data, unlabelled=places, unlabelled_confidence=confidence)
        return replace(settings, data=data, optimise=replace(settings.optimise, teacher=teacher))


def run(args: argparse.Namespace) -> int:
    """Train what is not trained yet, score it, print; returns the exit code.

    128 + the number of the signal that stopped it; the same command goes on.
    """
    check_hold_out(args)
    keep_freed_memory(trains=True)
    terms = terms_of(args)
    make_folder(args.work)
    runtime = open_runtime(terms.device, terms.precision)
    splits, held, sets = images_of(args, terms)
    half, hidden = _parted(splits, args.without_masks)
    scores: list[Score] = []
    labels: list[_Labels] = []
    with stop_requests() as asked, Measurer(1, Rules()) as measurer:
        asked.patient = True
        ground = Ground(args.work, terms, splits, runtime, asked.why, time.monotonic, _say)
        entry = entry_of(args.entry)
        arms = _Arms(ground, half, hidden, held, entry, args.confidence, sets, measurer)
        for seed in range(args.seeds):
            found = arms.scores(seed)
            if found is None:
                _say(f"stopped {asked.why()}; the same command goes on")
                return 128 + asked.number
            scores += found[0]
            labels += found[1]
    gaps = _gaps(arms, scores)
    print(_text(scores, gaps, labels))
    write_json(args.json, _report(args, scores, gaps, labels))
    return 0


def _parted(splits: DataSplits, name: str) -> tuple[DataSplits, tuple[Pair, ...]]:
    """The images of the other data sets, and the pairs whose masks are not to be seen."""
    hidden = tuple(p for p in splits.train if p.dataset.casefold().startswith(name.casefold()))
    others = tuple(pair for pair in splits.train if pair not in hidden)
    if not hidden or not others:
        known = ", ".join(sorted({pair.dataset for pair in splits.train}))
        got = f"got {name}, which names {'none' if not hidden else 'all'} of {known}"
        raise SettingsError("--without-masks", got, "name one of several data sets")
    return replace(splits, train=others, val=others[:1]), hidden


def _iou(ours: Pair, true: Pair) -> float:
    one, other = (read_labelled(pair)[1].object for pair in (ours, true))
    return iou(one, other)


def _gaps(arms: _Arms, scores: Sequence[Score]) -> list[Gap]:
    """IoU of each arm beside the others that it is to be held against, paired by seed and image."""
    few, every = arms.few.name, arms.every.name
    by_key = {(score.network, score.seed): score for score in scores}
    seeds = sorted({score.seed for score in scores})
    labelled = [arms.labelled(one).name for one in arms.confidences]
    beside = [(every, few), *((n, few) for n in labelled), *((n, every) for n in labelled)]
    return [
        gap_of(
            cases.name, "iou", names, [(by_key[names[0], s], by_key[names[1], s]) for s in seeds]
        )
        for cases in arms.sets
        for names in beside
    ]


def _text(scores: Sequence[Score], gaps: Sequence[Gap], labels: Sequence[_Labels]) -> str:
    header = ["arm", "seed", "photographs", "that train", "expected IoU", "true IoU"]
    rows = [
        [one.arm, *map(str, (one.seed, one.photographs, one.joined)),
         f"{one.expected:.3f}", f"{one.true:.3f}"]
        for one in labels
    ]  # fmt: skip
    said = (
        "Arms of a seed have one recipe, one file of encoder weights and about as many optimizer"
        " steps; the last weights are scored. Differences are paired by seed and image, with a"
        " 95 % interval over both. The true masks of the photographs are read for the last"
        " table alone."
    )
    return "\n\n".join([scores_markdown(scores), gaps_markdown(gaps), table(header, rows), said])


def _report(
    args: argparse.Namespace,
    scores: Sequence[Score],
    gaps: Sequence[Gap],
    labels: Sequence[_Labels],
) -> dict[str, Any]:
    return {
        "decamo": __version__,
        "without_masks": args.without_masks,
        "runs": [score.plain() for score in scores],
        "gaps": [asdict(gap) for gap in gaps],
        "labels": [asdict(one) for one in labels],
    }


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
