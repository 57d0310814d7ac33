"""What faults of a data set cost, and what cleaning them brings.

Arms of one recipe, seed by seed: the training images as they are; with faulty masks; these without
what the audit points at, or a network; with near copies in place of other images; these without the
copies that the audit finds; with near copies of images that are scored. The arms have about as many
optimizer steps: more of them would be better by themselves.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fault_finding import (
    Detection,
    audit_copies,
    audit_masks,
    copies_found,
    disagreements,
    least_agreed,
    masks_found,
    without_copies,
)
from benchmarks.fault_tables import (
    LeakedScore,
    detections_markdown,
    kept_plan,
    leaked_markdown,
    leaked_scores,
)
from benchmarks.faulty_data import (
    FaultyMasks,
    PairsWithCopies,
    add_leaks,
    drawn_copies,
    drawn_mask_faults,
    scored_pairs,
)
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
from benchmarks.quality_table import gaps_markdown, scores_markdown
from benchmarks.quality_train import Ground, tidy, train_entry
from decamo import __version__
from decamo.data.audit import Copy
from decamo.data.cache.opening import Pool
from decamo.data.holdout import fingerprint
from decamo.data.kept_memory import keep_freed_memory
from decamo.data.pairs import Pair
from decamo.errors import SettingsError
from decamo.evaluation import CaseSet, Measurer, Rules
from decamo.flags import Parser, write_json
from decamo.inference.predictor import Predictor
from decamo.stop_signals import stop_requests
from decamo.storage import make_folder
from decamo.training.runtime import open_runtime

__all__ = ["add_arguments", "run"]


class Arm(StrEnum):
    """What trains."""

    CLEAN = "clean"
    MASKS = "mask faults"
    AUDITED = "mask faults, audited"
    DOUBTED = "mask faults, by a network"
    COPIES = "copies"
    CLEANED = "copies, cleaned"
    LEAK = "leak"

    @property
    def word(self) -> str:
        """As ``--arms`` takes it."""
        return self.value.replace(",", "").replace(" ", "-")


_BESIDE = (
    *((arm, Arm.CLEAN) for arm in Arm if arm is not Arm.CLEAN),
    (Arm.AUDITED, Arm.MASKS),
    (Arm.DOUBTED, Arm.MASKS),
    (Arm.CLEANED, Arm.COPIES),
)


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks data-faults``."""
    add = parser.add_argument_group("what is compared").add_argument
    words = [arm.word for arm in Arm]
    add("--arms", nargs="+", default=words, choices=words, metavar="NAME",
        help=f"of {', '.join(words)} (all)")  # fmt: skip
    add("--share", type=float, default=0.2, metavar="SHARE",
        help="of masks that are faulty, or of images that copies replace (0.2)")  # fmt: skip
    add("--entry", default="decamo-own", choices=list(OURS), metavar="NAME",
        help=f"network and recipe of all arms, of {', '.join(OURS)} (decamo-own)")  # fmt: skip
    add_hold_out(parser)
    add_terms(parser, work="runs/data-faults")


@dataclass(frozen=True)
class _Arms:
    """What all arms have in common, and what each trains on, made when it is asked for.

    Attributes:
        ground: with the images as they are.
        entry: network and recipe.
        share: of images at fault.
        sets: that are scored.
        measurer: scores maps.
    """

    ground: Ground
    entry: Entry
    share: float
    sets: Sequence[CaseSet]
    measurer: Measurer

    @property
    def clean(self) -> tuple[Pair, ...]:
        return self.ground.splits.train

    @property
    def folder(self) -> Path:
        return self.ground.root / "faults"

    @cached_property
    def masks(self) -> FaultyMasks:
        return drawn_mask_faults(self.clean, self.share, self.folder / "masks")

    @cached_property
    def accused(self) -> frozenset[str]:
        """Keys of pairs whose masks the audit points at."""
        return frozenset(audit_masks(self.masks.pairs, self.folder / "masks.facts"))

    @cached_property
    def copies(self) -> PairsWithCopies:
        return drawn_copies(self.clean, self.share, self.folder / "copies")

    @cached_property
    def copies_found(self) -> list[Copy]:
        return audit_copies(self.copies.pairs, (), self.folder / "copies.facts")

    @cached_property
    def leaks(self) -> PairsWithCopies:
        return add_leaks(self.clean, self.sets, self.folder / "leaks")

    def epochs(self, pairs: Sequence[Pair]) -> int:
        """So many that an arm has about as many steps as the one of clean images."""
        whole = self.ground.terms.epochs * len(self.clean)
        return max(round(whole / len(pairs)), 1)

    def drawn(self, arm: Arm) -> tuple[Pair, ...]:
        """The images of an arm with all its faults; what they need is written where it is not."""
        match arm:
            case Arm.CLEAN:
                return self.clean
            case Arm.MASKS | Arm.AUDITED | Arm.DOUBTED:
                return self.masks.pairs
            case Arm.COPIES | Arm.CLEANED:
                return self.copies.pairs
            case Arm.LEAK:
                return self.leaks.pairs

    def pairs_of(self, arm: Arm, seed: int) -> tuple[Pair, ...] | None:
        """What trains in an arm; None where it was stopped before that was known."""
        match arm:
            case Arm.AUDITED:
                return self._without(self.accused)
            case Arm.DOUBTED:
                doubted = self.doubted(seed)
                return None if doubted is None else self._without(doubted)
            case Arm.CLEANED:
                return without_copies(self.drawn(arm), self.copies_found)
            case _:
                return self.drawn(arm)

    def score(self, arm: Arm, seed: int) -> Score | None:
        """Train and score an arm, or read its score; None where it was stopped."""
        pairs = self.pairs_of(arm, seed)
        if pairs is None:
            return None
        entry = replace(self.entry, name=str(arm))
        ground = self._ground(pairs)
        return scored(ground, entry, seed, self.epochs(pairs), self.sets, self.measurer)

    def doubted(self, seed: int) -> frozenset[str] | None:
        """Keys of the pairs with which the network of the other half agrees least."""
        places = np.random.default_rng(3).permutation(len(self.clean))
        first = set(places[: len(places) // 2].tolist())
        halves = [
            tuple(p for place, p in enumerate(self.masks.pairs) if (place in first) is mine)
            for mine in (True, False)
        ]
        ious: dict[str, float] = {}
        for number, (own, others) in enumerate([halves, halves[::-1]], start=1):
            found = self._agreement(f"{Arm.MASKS}, half {number}", own, others, seed)
            if found is None:
                return None
            ious |= found
        return least_agreed(ious, self.share)

    def detections(self, arms: Sequence[Arm], seeds: int) -> list[Detection]:
        """What was found by those that look for faults, once all arms are trained."""
        found: list[Detection] = []
        if Arm.AUDITED in arms:
            found += masks_found("audit", self.masks, self.accused)
        for seed in range(seeds if Arm.DOUBTED in arms else 0):
            found += masks_found("a network", self.masks, self.doubted(seed) or (), seed)
        if Arm.CLEANED in arms:
            every = self.copies.pairs
            found += copies_found("copy", self.copies, self.copies_found, every)
        if Arm.LEAK in arms:
            held, shown = self.leaks, scored_pairs(self.sets)
            copies = audit_copies(held.pairs, shown, self.folder / "leaks.facts")
            across = [copy for copy in copies if copy.leak]
            found += copies_found("leak", held, across, [*held.pairs, *shown])
        return found

    def _without(self, keys: frozenset[str]) -> tuple[Pair, ...]:
        left = tuple(pair for pair in self.masks.pairs if pair.key not in keys)
        if not left:
            raise SettingsError("--share", "no mask is left undoubted", "give a smaller share")
        return left

    def _ground(self, pairs: tuple[Pair, ...]) -> Ground:
        """With a pool of its own: arms share no squares, and those of all would fill memory."""
        splits = replace(self.ground.splits, train=pairs)
        return replace(self.ground, splits=splits, pool=Pool())

    def _agreement(
        self, name: str, own: tuple[Pair, ...], others: tuple[Pair, ...], seed: int
    ) -> dict[str, float] | None:
        """IoU of the others' masks with the maps of a network that trains on our own half."""
        entry, ground, epochs = replace(self.entry, name=name), self._ground(own), self.epochs(own)
        told = ground.terms.told(entry, seed, epochs, ground.splits)
        told["shown_fingerprint"] = fingerprint(others)
        path = ground.root / f"{entry.slug}-seed{seed}-iou.json"
        network = partial(_trained, ground, entry, seed, epochs)
        found = disagreements(path, told, others, network, ground.stop)
        if found is not None:
            tidy(ground, entry, seed)
        return found


def _trained(ground: Ground, entry: Entry, seed: int, epochs: int) -> Predictor | None:
    trained, terms = train_entry(ground, entry, seed, epochs), ground.terms
    if trained is None:
        return None
    size, device = terms.size_of(entry), ground.runtime.device
    return Predictor(trained.model, size, device, views=terms.views, decision=terms.decision)


def run(args: argparse.Namespace) -> int:
    """Train what is not trained yet, score it, print; returns the exit code.

    128 + the number of the signal that stopped it; the same command goes on.
    """
    check_hold_out(args)
    if not 0 < args.share <= 0.5:
        raise SettingsError("--share", f"got {args.share:g}", "give a share of up to 0.5")
    keep_freed_memory(trains=True)
    terms = terms_of(args)
    make_folder(args.work)
    runtime = open_runtime(terms.device, terms.precision)
    splits, _, sets = images_of(args, terms)
    kept_plan(args.work / "faults.json", args.share, splits.train, scored_pairs(sets))
    chosen, scores = [arm for arm in Arm if arm.word in args.arms], list[Score]()
    with stop_requests() as asked, Measurer(1, Rules()) as measurer:
        asked.patient = True
        ground = Ground(args.work, terms, splits, runtime, asked.why, time.monotonic, _say)
        arms = _Arms(ground, entry_of(args.entry), args.share, sets, measurer)
        for arm in chosen:  # before hours are spent: a share or a file may not do
            arms.drawn(arm)
        for seed in range(args.seeds):
            for arm in chosen:
                score = arms.score(arm, seed)
                if score is None:
                    _say(f"stopped {asked.why()}; the same command goes on")
                    return 128 + asked.number
                scores.append(score)
        found = arms.detections(chosen, args.seeds)
    leaked = leaked_scores(arms.leaks, scores, (Arm.CLEAN, Arm.LEAK)) if Arm.LEAK in chosen else []
    gaps = _gaps(sets, chosen, scores)
    print(_text(scores, gaps, found, leaked))
    write_json(args.json, _report(args, scores, gaps, found, leaked))
    return 0


def _gaps(sets: Sequence[CaseSet], chosen: Sequence[Arm], scores: Sequence[Score]) -> list[Gap]:
    """IoU of each arm beside the others that it is to be held against, paired by seed and image."""
    by_key = {(score.network, score.seed): score for score in scores}
    seeds = sorted({score.seed for score in scores})
    beside = [both for both in _BESIDE if set(both) <= set(chosen)]
    return [
        gap_of(
            cases.name, "iou", (str(one), str(other)),
            [(by_key[str(one), seed], by_key[str(other), seed]) for seed in seeds],
        )
        for cases in sets
        for one, other in beside
    ]  # fmt: skip


def _text(
    scores: Sequence[Score],
    gaps: Sequence[Gap],
    found: Sequence[Detection],
    leaked: Sequence[LeakedScore],
) -> str:
    said = (
        "Arms of a seed have one recipe, one file of encoder weights and about as many optimizer"
        " steps; the last weights are scored. Differences are paired by seed and image, with a"
        " 95 % interval over both. Who looks for faults is not told where they are. Empty"
        " masks train in the arm of mask faults, though `decamo train` leaves them out by itself"
        " (`--noncam drop`)."
    )
    tables = [scores_markdown(scores), gaps_markdown(gaps), detections_markdown(found)]
    return "\n\n".join(part for part in [*tables, leaked_markdown(leaked), said] if part)


def _report(
    args: argparse.Namespace,
    scores: Sequence[Score],
    gaps: Sequence[Gap],
    found: Sequence[Detection],
    leaked: Sequence[LeakedScore],
) -> dict[str, Any]:
    return {
        "decamo": __version__,
        "share": args.share,
        "runs": [score.plain() for score in scores],
        "gaps": [asdict(gap) for gap in gaps],
        "found": [asdict(one) for one in found],
        "leaked": [asdict(one) for one in leaked],
    }


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
