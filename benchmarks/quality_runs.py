"""One network of one seed, trained and scored, or read from the file that keeps its score."""

import re
from collections.abc import Sequence

from benchmarks.quality_recipes import Entry
from benchmarks.quality_scores import Score, read_score, score_trained, write_score
from benchmarks.quality_train import Ground, tidy, train_entry
from decamo.evaluation import CaseSet, Measurer
from decamo.inference.views import Views

__all__ = ["scored"]


def scored(
    ground: Ground,
    entry: Entry,
    seed: int,
    epochs: int,
    sets: Sequence[CaseSet],
    measurer: Measurer,
) -> Score | None:
    """The score of a network and a seed, from its file if it is there; None where stopped."""
    terms = ground.terms
    seen = "" if terms.views == Views() else f"-{re.sub(r'[^a-z0-9.]+', '-', terms.views.words())}"
    if terms.decision != "half":
        seen += f"-decide-{terms.decision}"
    told = terms.told(entry, seed, epochs, ground.splits)
    path = ground.root / f"{entry.slug}-seed{seed}{seen}.json"  # one training, scored either way
    if (score := read_score(path, told, sets)) is not None:
        return score
    trained = train_entry(ground, entry, seed, epochs)
    if trained is None:
        return None
    how = (ground.runtime, terms.size_of(entry), terms.views, terms.decision)
    score = score_trained(trained, told, sets, measurer, *how)
    write_score(path, score)
    tidy(ground, entry, seed)
    means = ", ".join(f"{name} IoU {found.mean('iou'):.4f}" for name, found in score.sets.items())
    ground.say(f"{entry.name}, seed {seed}: {means}")
    return score
