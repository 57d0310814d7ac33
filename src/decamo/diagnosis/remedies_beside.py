"""Remedies for causes that the action plan does not name; none is measured."""

from pathlib import PurePath

from decamo.diagnosis.command import Change, evaluation, fresh_run, resumed
from decamo.diagnosis.rates import rounded
from decamo.diagnosis.remedies import Situation, escape_remedy, lower, stopping
from decamo.diagnosis.remedy import NO_FIGURE, Remedy, remedy_of
from decamo.diagnosis.run_state import RunState
from decamo.diagnosis.symptom import SymptomKind
from decamo.history import Origin

__all__ = [
    "anneal", "bigger_network", "more_data", "numbers", "quicker_average", "see_more",
    "thaw", "wake_experts", "wider_batch",
]  # fmt: skip

_SPAN = 34  # epochs, as option 1
_FLOOR = 1 / 20  # of the peak, as option 1
_DECAY = 5.0  # weight decay against learning by heart: our choice
_BATCH = 4  # images; statistics of 4 are poor, of 1 they are none
_FEWEST = 0.9  # decay of an average; under it there is hardly one


def anneal(situation: Situation) -> Remedy:
    """Let the present rate fall; where it is lower than option 1's, that option does it."""
    s = situation.standing
    rate = s.rate or s.top
    if rate is None or rate < 0.0002 or s.stage == 1:
        return escape_remedy(situation)
    changes = [
        Change("stage2_lr", rounded(rate), "the present rate, to begin with"),
        Change("scheduler", "cosine", "falls smoothly instead of standing still"),
        Change("min_lr", rounded(rate * _FLOOR), "a twentieth of it at the end"),
        _end(s, newest=True),
    ]
    title = "let the learning rate fall"
    order = resumed(s, changes, newest=s.settings is not None, anew=True)
    return remedy_of(title, order, s, NO_FIGURE, ours=True, steps=stopping(s))


def thaw(situation: Situation) -> Remedy:
    """Open the backbone: option 1, which skips what is left of stage 1."""
    return escape_remedy(situation)


def quicker_average(situation: Situation) -> Remedy:
    """An average over about one epoch."""
    s = situation.standing
    updates = max(s.steps or 100, 1)
    decay = max(_FEWEST, 1 - rounded(1 / updates))
    why = "averages over about one epoch" if s.steps else "averages over fewer steps"
    changes = [Change("ema_decay", round(decay, 6), why)]
    changes += [_end(s, newest=True)] if s.ended else []
    steps = ["the scores are those of the average: the weights behind it may be better already"]
    order = resumed(s, changes, newest=True)
    return remedy_of("a quicker average", order, s, NO_FIGURE, ours=True, steps=steps)


def bigger_network(situation: Situation) -> Remedy:
    """Another backbone; that is a new run, the last thing to try."""
    s = situation.standing
    own = s.settings.model.backbone if s.settings else "edgenext_base"
    name = "pvt_v2_b4" if own.startswith("pvt_v2") else "pvt_v2_b2"
    if own == name:
        name = "pvt_v2_b5"
    change = Change("backbone", name, "a larger backbone, one that this field often uses")
    steps = ["a new run from epoch 1: nothing of this checkpoint can be kept"]
    order = fresh_run(s, [change], name)
    return remedy_of("a larger network", order, s, NO_FIGURE, ours=True, steps=steps)


def more_data(situation: Situation) -> Remedy:
    """From the best epoch with stronger decay and a lower rate; better, with more images."""
    s = situation.standing
    decay = s.settings.optimise.weight_decay if s.settings else 0.01
    rate = rounded(max((s.top or s.rate or 0.0002) / 2, 1e-12))
    changes = [
        Change("weight_decay", min(max(decay, 0.01) * _DECAY, 1.0), "keeps weights from growing"),
        Change("stage2_lr", rate, "half the highest rate so far: it learns by heart less fast"),
        Change("scheduler", "cosine", "and falls"),
        _end(s),
    ]
    where = "adopt their checkpoint, where it was kept" if _is_foreign(s) else "they are kept"
    steps = [
        *stopping(s),
        f"the best weights are those of epoch {s.best_epoch}; {where}",
        "more images help most: --dataset-path takes several folders, such as CAMO beside COD10K",
    ]
    order = resumed(s, changes, anew=True)
    title = "back to the best epoch, held tighter"
    return remedy_of(title, order, s, NO_FIGURE, ours=True, steps=steps)


def wake_experts(situation: Situation) -> Remedy:
    """A fresh start for the router's optimizer."""
    s = situation.standing
    rate = rounded(s.top or 0.0002)
    changes = [
        Change("reset_moments", True, "forgets the momentum that holds the router where it is"),
        Change("stage2_lr", rate, "the highest rate that it has had"),
        Change("warmup_epochs", _warm(s, 3), "rises to it"),
        _end(s),
    ]
    steps = [
        *stopping(s),
        "experts that are not used only cost time; a run with fewer may do as well",
    ]
    title = "wake the experts"
    return remedy_of(title, resumed(s, changes), s, NO_FIGURE, ours=True, steps=steps)


def wider_batch(situation: Situation) -> Remedy:
    """More images in a forward pass, as many in a step."""
    s = situation.standing
    groups = s.settings.schedule.accumulation_steps if s.settings else _BATCH
    changes = [
        Change("stage2_batch_size", _BATCH, "statistics of several images instead of one"),
        Change("accumulation_steps", max(groups // _BATCH, 1), "about as many images in a step"),
    ]
    changes += [_end(s, newest=True)] if s.ended else []
    order = resumed(s, changes, newest=True)
    return remedy_of("wider batches", order, s, NO_FIGURE, ours=True, steps=stopping(s))


def see_more(situation: Situation) -> Remedy:
    """Measure before training on: more images, with intervals."""
    s = situation.standing
    steps = [
        "the table gives an interval for each mean; gains within it are not gains",
        "two checkpoints are told apart with --compare A B, on the same images",
    ]
    title = "measure on more images first"
    return remedy_of(title, evaluation(s), s, NO_FIGURE, ours=True, steps=steps)


def numbers(situation: Situation) -> Remedy:
    """Full precision; and a lower rate, where the run broke."""
    s = situation.standing
    if situation.verdict not in (SymptomKind.EXPLOSION, SymptomKind.NON_FINITE):
        change = Change("precision", "fp32", "a number format that does not overflow; slower")
        changes = [change, *([_end(s, newest=True)] if s.ended else [])]
        order = resumed(s, changes, newest=True)
        return remedy_of("full precision", order, s, NO_FIGURE, ours=True)
    calm = lower(situation)
    change = Change("precision", "fp32", "a number format that does not overflow; slower")
    order = resumed(s, [*calm.changes, change], anew=True)
    folder = str(PurePath(s.checkpoint).parent) if s.checkpoint else "the run folder"
    steps = [
        *calm.steps,
        f"{folder}/suspects, where it exists, names the images; `decamo data audit` looks at all",
    ]
    title = "full precision, and a lower rate with a warm-up"
    return remedy_of(title, order, s, NO_FIGURE, ours=True, steps=steps)


def _end(s: RunState, newest: bool = False) -> Change:
    start = s.best_epoch if s.settings and not newest else s.epoch
    return Change("epochs", start + _SPAN, f"{_SPAN} more epochs after epoch {start}")


def _warm(s: RunState, least: int) -> int:
    return max(least, s.settings.schedule.warmup_epochs if s.settings else 0)


def _is_foreign(standing: RunState) -> bool:
    return standing.origin == Origin.FOREIGN
