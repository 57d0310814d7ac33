"""What was found of faults and what leaks feign, as tables; which faults a folder is about."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.fault_finding import Detection
from benchmarks.faulty_data import PairsWithCopies
from benchmarks.quality_scores import Score
from benchmarks.quality_table import table
from decamo.data.holdout import fingerprint
from decamo.data.pairs import Pair
from decamo.errors import SettingsError
from decamo.storage import write_whole

__all__ = [
    "LeakedScore",
    "detections_markdown",
    "kept_plan",
    "leaked_markdown",
    "leaked_scores",
]


@dataclass(frozen=True)
class LeakedScore:
    """Mean IoU on the images of which copies train in the arm of leaks, and on the others.

    Attributes:
        arm: whose network.
        seed: of its run.
        dataset: that is scored.
        images: how many leaked.
        leaked: mean IoU on these.
        others: mean IoU on the rest; None where there is none.
    """

    arm: str
    seed: int
    dataset: str
    images: int
    leaked: float
    others: float | None


def leaked_scores(
    held: PairsWithCopies, scores: Sequence[Score], arms: Sequence[str]
) -> list[LeakedScore]:
    """Scores of some arms, parted by what leaks.

    Args:
        held: what trains in the arm of leaks.
        scores: of all arms.
        arms: names of those that are asked about.
    """
    leaked = {copy.original.key for copy in held.copies}
    found = []
    for score in scores:
        for name, one in score.sets.items() if score.network in arms else ():
            iou = one.array("iou")
            mine = np.array([f"{name}/{stem}" in leaked for stem in one.images])
            others = None if mine.all() else float(iou[~mine].mean())
            figures = (int(mine.sum()), float(iou[mine].mean()), others)
            found.append(LeakedScore(score.network, score.seed, name, *figures))
    return found


def leaked_markdown(found: Sequence[LeakedScore]) -> str:
    """A row for each set and arm, means over seeds; empty where nothing leaks."""
    groups: dict[tuple[str, str], list[LeakedScore]] = {}
    for one in sorted(found, key=lambda one: one.dataset):
        groups.setdefault((one.dataset, one.arm), []).append(one)
    rows = []
    for (name, arm), runs in groups.items():
        others = [one.others for one in runs if one.others is not None]
        cells = [np.mean([one.leaked for one in runs]), *([np.mean(others)] if others else [])]
        figures = [f"{cell:.4f}" for cell in cells] + [""] * (2 - len(cells))
        rows.append([name, arm, str(runs[0].images), *figures, str(len(runs))])
    header = ["test set", "arm", "leaked", "IoU on leaked", "IoU on others", "seeds"]
    return table(header, rows) if rows else ""


def detections_markdown(found: Sequence[Detection]) -> str:
    """A row for each that looked, and each kind; empty where nobody did."""
    rows = [
        [one.by if one.seed is None else f"{one.by}, seed {one.seed}", one.kind,
         str(one.found), str(one.of), f"{one.found / one.of:.1%}" if one.of else ""]
        for one in found
    ]  # fmt: skip
    return table(["by", "kind", "pointed at", "of", "share"], rows) if rows else ""


def kept_plan(path: Path, share: float, trains: Sequence[Pair], scored: Sequence[Pair]) -> None:
    """Keep what faults depend on, or refuse a folder whose faults depend on something else.

    Raises:
        SettingsError: they do; half-trained runs there would go on with other images.
        StorageError: it cannot be written.
    """
    plain = {"share": share, "trains": fingerprint(trains), "scored": fingerprint(scored)}
    if not path.exists():
        write_whole(path, json.dumps(plain, indent=1).encode())
        return
    try:
        held = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(path, f"cannot be read ({error})", "remove it") from error
    if held != plain:
        differing = ", ".join(
            f"{k} was {held.get(k)}, now {v}" for k, v in plain.items() if held.get(k) != v
        )
        got = f"{path.parent} holds faults of other images ({differing})"
        raise SettingsError("--work", got, "name another folder")
