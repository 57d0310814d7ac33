"""The error atlas in words: what the lost IoU is made of."""

from collections.abc import Sequence

from decamo.evaluation import ERROR_KINDS, Group, SetScore
from decamo.report.plan_text import epoch_rows

__all__ = ["atlas_text"]

_WORDS = {
    "missed": "missed",
    "false": "false",
    "boundary": "boundary",
    "hole": "holes",
    "part": "lost parts",
    "spill": "spill",
}
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
    name = f"{group.by}: {group.name}" if group.by else "all"
    return [
        score.dataset, score.method, name, str(group.scores.count), f"{loss.iou:.4f}",
        f"{1 - loss.iou:.4f}", *parts, f"{loss.iou_perfect_boundary:.4f}",
    ]  # fmt: skip
