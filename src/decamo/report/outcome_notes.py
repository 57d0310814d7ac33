"""What a person must know beside a score: what was left out, missing or odd."""

from collections.abc import Sequence

from decamo.evaluation import Convention, Outcome

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
    if outcome.protocol.reading:
        lines.append(f"{title}: {outcome.protocol.reading}")
    lines += _mask_notes(title, outcome)
    flat = [(r.stem, r.flat) for r in outcome.results if r.flat is not None]
    if flat and outcome.protocol.stretch:
        stems = _some([f"{stem} ({level:g})" for stem, level in flat])
        lines.append(
            f"{title}: {len(flat)} maps have one single level, which nothing stretches: {stems}"
        )
    dim = 0 if outcome.protocol.stretch else sum(r.dim for r in outcome.results)
    if dim:
        lines.append(
            f"{title}: {dim} maps hold no level above 1 of 255, which is almost nothing found; "
            "if 1 means object there, write them as 0 and 255"
        )
    return lines


def _mask_notes(title: str, outcome: Outcome) -> list[str]:
    """Masks that count as empty though they are not black."""
    if not outcome.faint:
        return []
    names = _some([f"{stem} ({level})" for stem, level in outcome.faint])
    levels = sorted({level for _, level in outcome.faint})
    if any(r.foreground for r in outcome.results):
        levels.append(255)
    given = ",".join(map(str, levels[:_NAMED]))
    edge = "above 128" if outcome.protocol.convention == Convention.PUBLISHED else "of 128 or more"
    return [
        f"{title}: {len(outcome.faint)} masks are not black but have no level {edge}, and count as "
        f"empty: {names}; if these are objects, write them as 255, or give --mask-values "
        f"object={given}"
    ]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")
