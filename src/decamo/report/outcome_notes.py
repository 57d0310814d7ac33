"""What a person must know beside a score: what was left out, missing or odd."""

from collections.abc import Sequence

from decamo.evaluation import Convention, MethodOutcome
from decamo.settings.words import counted, verb

__all__ = ["outcome_notes"]

_NAMED = 5  # of each kind; the rest is counted


def outcome_notes(title: str, outcome: MethodOutcome) -> list[str]:
    """Lines about files left out, maps missing or extra, and maps that look like 0 and 1.

    Args:
        title: which method on which set.
        outcome: what came of it.
    """
    lines = [f"left out: {bad.path}: {bad.reason}" for bad in outcome.bad]
    missing = [r.stem for r in outcome.results if r.missing]
    if missing:
        count = counted(len(missing), "mask without a map counts", "masks without a map count")
        lines.append(f"{title}: {count} as nothing found: {_some(missing)}")
    if outcome.extra:
        names = _some([path.name for path in outcome.extra])
        lines.append(
            f"{title}: {counted(len(outcome.extra), 'map belongs', 'maps belong')} to no mask and"
            f" {verb(len(outcome.extra))} not scored: {names}"
        )
    if outcome.protocol.reading:
        lines.append(f"{title}: {outcome.protocol.reading}")
    lines += _mask_notes(title, outcome)
    flat = [(r.stem, r.flat) for r in outcome.results if r.flat is not None]
    if flat and outcome.protocol.stretch:
        stems = _some([f"{stem} ({level:g})" for stem, level in flat])
        lines.append(
            f"{title}: {counted(len(flat), 'map has', 'maps have')} one single level, which nothing"
            f" stretches: {stems}"
        )
    dim = 0 if outcome.protocol.stretch else sum(r.dim for r in outcome.results)
    if dim:
        lines.append(
            f"{title}: {counted(dim, 'map holds', 'maps hold')} no level above 1 of 255, which is"
            " almost nothing found; "
            "if 1 means object there, write them as 0 and 255"
        )
    return lines


def _mask_notes(title: str, outcome: MethodOutcome) -> list[str]:
    """Masks that count as empty though they are not black."""
    if not outcome.faint:
        return []
    many = len(outcome.faint)
    names = _some([f"{stem} ({level})" for stem, level in outcome.faint])
    levels = sorted({level for _, level in outcome.faint})
    if any(r.foreground for r in outcome.results):
        levels.append(255)
    given = ",".join(map(str, levels[:_NAMED]))
    edge = "above 128" if outcome.protocol.convention == Convention.PUBLISHED else "of 128 or more"
    return [
        f"{title}: {counted(many, 'mask')} {verb(many)} not black but {verb(many, 'has', 'have')}"
        f" no level {edge}, and {verb(many, 'counts', 'count')} as empty: {names}; if these are"
        f" objects, write them as 255, or give --mask-values object={given}"
    ]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")
