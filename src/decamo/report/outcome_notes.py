"""What a person must know beside a score: what was left out, missing or odd."""

from collections.abc import Sequence

from decamo.evaluation import Outcome

__all__ = ["outcome_notes"]

_NAMED = 5  # of each kind; the rest is counted


def outcome_notes(title: str, outcome: Outcome) -> list[str]:
    """Lines about files left out, maps missing or extra, and maps that look like 0 and 1.

    Args:
        title: which method on which set.
        outcome: what came of it.
    """
    lines = [f"left out: {bad.path}: {bad.reason}" for bad in outcome.bad]
    missing = [r.stem for r in outcome.results if r.missing]
    if missing:
        lines.append(
            f"{title}: {len(missing)} masks without a map count as nothing found: {_some(missing)}"
        )
    if outcome.extra:
        names = _some([path.name for path in outcome.extra])
        lines.append(
            f"{title}: {len(outcome.extra)} maps belong to no mask and are not scored: {names}"
        )
    dim = sum(r.dim for r in outcome.results)
    if dim:
        lines.append(
            f"{title}: {dim} maps hold no level above 1 of 255, which is almost nothing found; "
            "if 1 means object there, write them as 0 and 255"
        )
    return lines


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")
