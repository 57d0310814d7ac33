"""Scores in words and tables for the terminal: how they came about, what lost IoU is made of."""

from collections.abc import Sequence

from decamo.evaluation import (
    ERROR_KINDS,
    MEASURES,
    Comparison,
    Convention,
    Group,
    SetScore,
    head_of,
)
from decamo.report.plan_text import epoch_rows

__all__ = [
    "atlas_text",
    "both_text",
    "calibration_text",
    "comparison_text",
    "group_text",
    "head_text",
    "protocol_text",
    "score_text",
]

_NAMES = {
    "s": "S-measure",
    "weighted_f": "weighted F",
    "f_adaptive": "F adaptive",
    "f_mean": "F mean",
    "f_max": "F max",
    "e_adaptive": "E adaptive",
    "e_mean": "E mean",
    "e_max": "E max",
    "mae": "MAE",
    "iou": "IoU at 0.5",
    "dice": "Dice at 0.5",
    "iou_mean": "IoU mean",
    "iou_max": "IoU max",
    "iou_adaptive": "IoU adaptive",
    "dice_mean": "Dice mean",
    "dice_max": "Dice max",
    "dice_adaptive": "Dice adaptive",
    "boundary_iou": "boundary IoU",
    "ece": "ECE, map as it is",
    "found_share": "share found, as it is",
    "object_share": "share of object",
}
_SHORT = {
    "s": "S",
    "weighted_f": "wF",
    "f_mean": "F mean",
    "e_mean": "E mean",
    "mae": "MAE",
    "iou": "IoU",
    "dice": "Dice",
    "boundary_iou": "bIoU",
}
_BOTH = ("s", "weighted_f", "f_max", "f_mean", "f_adaptive", "e_mean", "mae", "iou", "dice")
_CALIBRATION = {"ece": "ECE", "found_share": "found", "object_share": "object"}
_SAME = 0.001
_TOLD = ("iou", "s", "weighted_f", "e_mean", "mae")  # compared in words; JSON has all


def score_text(scores: Sequence[SetScore]) -> str:
    """Every measure with its 95 % interval of a single score; else a row for each score."""
    if len(scores) == 1:
        return _one(scores[0])
    rows = [[s.dataset, s.method, *_cells(s.whole), _interval(s.whole, "iou")] for s in scores]
    header = ["data set", "method", "images", *_SHORT.values(), "IoU 95 %"]
    return f"{head_text(scores)}\n{epoch_rows(header, rows)}"


def head_text(scores: Sequence[SetScore]) -> str:
    """By which protocol, and what the masks of each data set mean: lines for a table's head."""
    return "\n".join(head_of((score.dataset, score.protocol) for score in scores))


def group_text(scores: Sequence[SetScore]) -> str:
    """The groups of each score, a table for each grouping; empty without groups."""
    parts = []
    for by in dict.fromkeys(group.by for score in scores for group in score.groups):
        rows = [
            [score.dataset, score.method, group.name, *_cells(group), _interval(group, "iou")]
            for score in scores
            for group in score.groups
            if group.by == by
        ]
        header = ["data set", "method", by, "images", *_SHORT.values(), "IoU 95 %"]
        name = scores[0].protocol.convention
        parts.append(f"by {by}, {name} protocol\n{epoch_rows(header, rows)}")
    return "\n\n".join(parts)


def calibration_text(scores: Sequence[SetScore]) -> str:
    """A table of what probabilities are worth, for each score and its groups.

    Empty for a single score without groups: its own table has it.
    """
    both = [(score, group) for score in scores for group in (score.whole, *score.groups)]
    if len(both) == 1:
        return ""
    rows = [
        [
            score.dataset,
            score.method,
            _title(group),
            str(group.scores.count),
            *(f"{getattr(group.scores, name):.4f}" for name in _CALIBRATION),
            _interval(group, "ece"),
        ]
        for score, group in both
    ]
    header = ["data set", "method", "group", "images", *_CALIBRATION.values(), "ECE 95 %"]
    return f"{epoch_rows(header, rows)}\n{_CALIBRATION_LEGEND}"


def both_text(scores: Sequence[SetScore]) -> str:
    """A line for each score that is another by the other protocol; empty where none is.

    What differs by no more than 0.001 is no other score: tables have three decimals.
    """
    return "\n".join(line for score in scores if (line := _both(score)))


def comparison_text(comparisons: Sequence[Comparison], protocol: str = "") -> str:
    """Which of two methods is better, by how much and how surely, a line for each main measure.

    Args:
        comparisons: the differences.
        protocol: name of the one that both were scored by, for the head; may be empty.
    """
    lines = [_compared(c) for c in comparisons if c.measure in _TOLD]
    return "\n".join([f"{protocol} protocol", *lines] if lines and protocol else lines)


def protocol_text(scores: Sequence[SetScore]) -> str:
    """How the scores came about: what all share once, and a line for each that differs."""
    plains = [s.protocol.plain() for s in scores]
    shared = {k: v for k, v in plains[0].items() if all(p[k] == v for p in plains)}
    shown = "; ".join(_facts(shared))
    lines = [f"mean over images, scored at native size, threshold 0.5; {shown}"]
    for score, plain in zip(scores, plains, strict=True):
        own = {k: v for k, v in plain.items() if k not in shared}
        if facts := _facts(own):
            lines.append(f"{score.method} on {score.dataset}: {'; '.join(facts)}")
    return "\n".join(lines)


def _one(score: SetScore) -> str:
    rows = [
        [_NAMES[name], f"{getattr(score.whole.scores, name):.4f}", _interval(score.whole, name)]
        for name in MEASURES
    ]
    title = f"{score.method} on {score.dataset}, {score.whole.scores.count} images"
    return (
        f"{head_text([score])}\n{title}\n{epoch_rows(['measure', 'mean', '95 % interval'], rows)}"
    )


def _both(score: SetScore) -> str:
    if score.others is None:
        return ""
    own, other = Convention(score.protocol.convention), score.others
    moved = [
        f"{_NAMES[k]} {getattr(other, k):.4f} for {getattr(score.whole.scores, k):.4f}"
        for k in _BOTH
        if abs(getattr(other, k) - getattr(score.whole.scores, k)) > _SAME
    ]
    if not moved:
        return ""
    images = "" if other.count == score.whole.scores.count else f" on {other.count} images"
    return (
        f"{score.method} on {score.dataset} by the {own.other} protocol{images}: "
        f"{', '.join(moved)} by the {own} one"
    )


def _cells(group: Group) -> list[str]:
    return [
        str(group.scores.count),
        *(f"{getattr(group.scores, name):.4f}" for name in _SHORT),
    ]


def _interval(group: Group, name: str) -> str:
    ends = group.intervals.get(name)
    return f"{ends[0]:.4f} to {ends[1]:.4f}" if ends else ""


def _compared(c: Comparison) -> str:
    name = _NAMES[c.measure]
    better = c.verdict
    if not better:
        return (
            f"{c.dataset}, {name}: no difference can be told between {c.first} and {c.second}: "
            f"{c.second} - {c.first} is {_signed(c, c.difference)}, 95 % interval "
            f"{_signed(c, min(c.low, c.high, key=lambda v: c.sign * v))} to "
            f"{_signed(c, max(c.low, c.high, key=lambda v: c.sign * v))}, on {c.images} images"
        )
    ends = (c.low, c.high) if better == c.second else (-c.high, -c.low)
    return (
        f"{c.dataset}, {name}: {better} is better by {abs(c.difference):.4f}, 95 % interval "
        f"{ends[0]:.4f} to {ends[1]:.4f}, on {c.images} images"
    )


def _signed(c: Comparison, gain: float) -> str:
    return f"{c.sign * gain:+.4f}"


def _facts(plain: dict[str, object]) -> list[str]:
    """The protocol's facts in words; what is as everyone expects is left unsaid."""
    words = {
        "names": "names {}",
        "masks": "masks {}",
        "images": "{} images",
        "dropped": "{} NonCAM left out",
        "unreadable": "{} unreadable left out",
        "missing": "{} missing maps count as finding nothing",
        "resized": "{} maps brought to their mask's size",
        "split": "{} split",
        "noncam": "NonCAM {}",
        "resize": "maps resized: {}",
        "convention": "{} protocol",
        "reading": "{}",
        "source": "from {}",
        "weights": "{}",
        "network_px": "network at {} px",
        "precision": "{}",
        "tta": "test-time augmentation {}",
        "decision": "decision {}",
        "levels": "{} grey levels",
        "decamo": "decamo {}",
    }
    facts = [words[k].format(v) for k, v in plain.items() if k in words and v not in (0, "")]
    if "stretch" in plain:
        facts.append("maps stretched to [0, 1]" if plain["stretch"] else "maps not stretched")
    return facts


_WORDS = {
    "missed": "missed",
    "false": "false",
    "boundary": "boundary",
    "hole": "holes",
    "part": "lost parts",
    "spill": "spill",
}
_CALIBRATION_LEGEND = (
    "ECE: expected calibration error in 15 bins, of maps as they are, by either protocol;\n"
    "found: share of pixels of 0.5 and above; object: share that is object. Less found: shy maps."
)
_LEGEND = (
    "missed: objects not touched; false: where nothing is; boundary: within the band along the "
    "true outline;\nholes: gaps that the prediction encloses; lost parts: other truth not found; "
    "spill: beyond the object.\nThe six sum to 1 - IoU; the last column is the IoU with every "
    "boundary pixel right."
)


def atlas_text(scores: Sequence[SetScore]) -> str:
    """A table of what the lost IoU is made of, for each score and its groups; may be empty."""
    rows = [
        _row(score, group)
        for score in scores
        for group in (score.whole, *score.groups)
        if group.loss is not None
    ]
    if not rows:
        return ""
    header = ["data set", "method", "group", "images", "IoU", "lost", *_WORDS.values(), "perfect"]
    return f"{epoch_rows(header, rows)}\n{_LEGEND}"


def _row(score: SetScore, group: Group) -> list[str]:
    loss = group.loss
    if loss is None:
        raise ValueError("want a group with a loss")
    parts = [f"{getattr(loss, kind):.4f}" for kind in ERROR_KINDS]
    return [
        score.dataset, score.method, _title(group), str(group.scores.count), f"{loss.iou:.4f}",
        f"{1 - loss.iou:.4f}", *parts, f"{loss.iou_perfect_boundary:.4f}",
    ]  # fmt: skip


def _title(group: Group) -> str:
    return f"{group.by}: {group.name}" if group.by else "all"
