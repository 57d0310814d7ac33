"""Which images of a data set are at fault: by the checks of ``decamo data audit``, by a network."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faulty_data import FaultyMasks, NearCopy, PairsWithCopies
from decamo.data.audit.facts_table import FactsTable
from decamo.data.audit.findings import (
    Copy,
    Shown,
    file_findings,
    find_copies,
    pair_findings,
    severity_of,
)
from decamo.data.audit.look import FileFacts, look_at
from decamo.data.mask_forms import inverted_masks, seems_a_photograph
from decamo.data.pairs import Pair
from decamo.data.reading import read_labelled
from decamo.data.survey import Sight, decide_rule
from decamo.errors import SettingsError
from decamo.inference.predictor import Predictor
from decamo.metrics import THRESHOLD, iou
from decamo.storage import write_whole

__all__ = [
    "Detection",
    "audit_copies",
    "audit_masks",
    "copies_found",
    "disagreements",
    "least_agreed",
    "masks_found",
    "without_copies",
]

# Of what the audit says of masks, that which doubts where the object is. How a file is stored (grey
# edges, a JPEG, another extension) says nothing of that, and is true of most masks of some sets.
_DOUBTS = {"empty-mask", "full-mask", "void-mask"}


@dataclass(frozen=True)
class Detection:
    """How many images at fault were found, or how many sound ones were accused.

    Attributes:
        by: who looked.
        kind: of the fault; what is sound is named so.
        found: how many were pointed at.
        of: how many there are.
        seed: of the network that looked; None where none did.
    """

    by: str
    kind: str
    found: int
    of: int
    seed: int | None = None


def audit_masks(pairs: Sequence[Pair], table: Path) -> dict[str, tuple[str, ...]]:
    """What the audit finds wrong with masks: kinds of findings by keys, of those with any.

    Args:
        pairs: that train.
        table: where facts of files are kept, for the next call.
    """
    files = [(str(path), role) for pair in pairs for path, role in _files_of(pair)]
    facts = _facts_of(files, table)
    by_set: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_set.setdefault(pair.dataset, []).append(pair)
    return {
        key: kinds
        for name, some in by_set.items()
        for key, kinds in _set_findings(name, some, facts)
        if kinds
    }


def _files_of(pair: Pair) -> tuple[tuple[Path, str], tuple[Path, str]]:
    return (pair.image, "image"), (pair.mask, "mask")


def _facts_of(files: Iterable[tuple[str, str]], table: Path) -> FactsTable:
    facts = FactsTable(table)
    facts.list(files)
    for path, role in facts.pending():
        facts.put(FileFacts.from_plain(look_at(path, role)))
    facts.settle()
    return facts


def _set_findings(
    name: str, pairs: Sequence[Pair], facts: FactsTable
) -> Iterable[tuple[str, tuple[str, ...]]]:
    both = [(facts[str(pair.image)], facts[str(pair.mask)]) for pair in pairs]
    sights = [
        Sight.from_plain(pair.key, [mask.values, image.numbers, image.flat])
        for pair, (image, mask) in zip(pairs, both, strict=True)
        if not (image.fault or mask.fault)
    ]
    meaning = decide_rule(name, sights).rule.mask
    looks = {sight.name: sight.mask for sight in sights}
    places = [*looks]
    inverted = {places[n] for n in inverted_masks(looks.values(), meaning)}
    for pair, (image, mask) in zip(pairs, both, strict=True):
        every = (*file_findings(image), *file_findings(mask), *pair_findings(pair, image, mask))
        kinds = [one.kind for one in every if _is_doubt(one.kind)]
        look = looks.get(pair.key)
        if pair.key in inverted:
            kinds.append("inverted-mask")
        if look is not None and seems_a_photograph(look):
            kinds.append("looks like a photograph")
        yield pair.key, tuple(kinds)


def _is_doubt(kind: str) -> bool:
    return kind in _DOUBTS or severity_of(kind) == "broken"


def masks_found(
    by: str, held: FaultyMasks, accused: Collection[str], seed: int | None = None
) -> list[Detection]:
    """Of each kind of fault how many are accused, and how many sound masks.

    Args:
        by: who accuses.
        held: the pairs.
        accused: keys of pairs.
        seed: of the network that accuses.
    """
    kinds = {pair.key: str(held.faults.get(pair.key, "sound")) for pair in held.pairs}
    return [
        Detection(by, kind, sum(kinds[key] == kind for key in accused), of, seed)
        for kind in dict.fromkeys([*map(str, held.faults.values()), "sound"])
        if (of := sum(one == kind for one in kinds.values()))
    ]


def audit_copies(trains: Sequence[Pair], scored: Sequence[Pair], table: Path) -> list[Copy]:
    """Images that occur more than once, as the audit has them.

    Args:
        trains: pairs that train.
        scored: pairs that are scored; a copy across the two is a leak.
        table: where facts of files are kept, for the next call.
    """
    both = [*((pair, "train") for pair in trains), *((pair, "test") for pair in scored)]
    facts = _facts_of(((str(pair.image), "image") for pair, _ in both), table)
    return find_copies([Shown(facts[str(pair.image)], pair.dataset, split) for pair, split in both])


def without_copies(pairs: Sequence[Pair], found: Sequence[Copy]) -> tuple[Pair, ...]:
    """The pairs without the later image of each two that are copies."""
    later = {copy.right for copy in found}
    return tuple(pair for pair in pairs if pair.image not in later)


def copies_found(
    what: str, held: PairsWithCopies, found: Sequence[Copy], others: Sequence[Pair]
) -> list[Detection]:
    """How many near copies were found, mirrored and not, and how many other images are accused.

    Args:
        what: the copies are called.
        held: with the copies.
        found: by the audit; of leaks, leaks alone.
        others: pairs among which are all that could be accused, copies and originals too.
    """
    named = {frozenset((copy.left, copy.right)) for copy in found}
    done = []
    for mirrored in (False, True):
        some = [copy for copy in held.copies if copy.mirrored is mirrored]
        kind = f"{what}, mirrored" if mirrored else what
        count = sum(_files(copy) in named for copy in some)
        done += [Detection("audit", kind, count, len(some))] if some else []
    planted = {path for copy in held.copies for path in _files(copy)}
    sound = {pair.image for pair in others} - planted
    accused = {path for pair in named for path in pair} & sound
    return [*done, Detection("audit", f"no {what}", len(accused), len(sound))]


def _files(copy: NearCopy) -> frozenset[Path]:
    return frozenset((copy.pair.image, copy.original.image))


def disagreements(
    path: Path,
    told: Mapping[str, Any],
    pairs: Sequence[Pair],
    predictor: Callable[[], Predictor | None],
    stop: Callable[[], str],
) -> dict[str, float] | None:
    """IoU of a network's map with each mask, by keys; None where it was stopped.

    Args:
        path: where they are kept.
        told: all that they depend on.
        pairs: that the network has not seen.
        predictor: gives the network, where they are not kept yet; None where it was stopped.
        stop: a reason ends it.

    Raises:
        SettingsError: what is kept depends on something else.
    """
    plain = json.loads(json.dumps(told))
    if path.exists():
        held = json.loads(path.read_text())
        if held["told"] != plain:
            remedy = "name another folder by --work, or remove it and the run folder beside it"
            raise SettingsError(path, "made under other settings", remedy)
        return {str(key): float(fit) for key, fit in held["iou"].items()}
    network, found = predictor(), dict[str, float]()
    if network is None:
        return None
    for pair in pairs:
        if stop():
            return None
        image, labels = read_labelled(pair)
        found[pair.key] = iou(network.predict([image])[0] >= THRESHOLD, labels.object)
    write_whole(path, json.dumps({"told": plain, "iou": found}, indent=1).encode())
    return found


def least_agreed(ious: Mapping[str, float], share: float) -> frozenset[str]:
    """Keys of the share of pairs whose IoU is lowest."""
    ordered = sorted(ious, key=lambda key: (ious[key], key))
    return frozenset(ordered[: round(share * len(ordered))])
