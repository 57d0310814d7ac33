"""A census -> the same, each pair with the rule of its data set, and what is to be said of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from decamo.data.census import BadFile, Census, Entry
from decamo.data.given_values import same_labels, same_words
from decamo.data.pairs import Pair
from decamo.data.reading import read_labels, see_image, see_mask
from decamo.data.rules import MAX_PIXELS, MaskMeaning, Plane, ReadingRule
from decamo.data.survey import Sight, decide_rule
from decamo.errors import SettingsError

__all__ = [
    "Ruled",
    "apply_rules",
    "refuse_unknown",
    "ruled_entry",
    "words_for",
]


@dataclass(frozen=True)
class Ruled:
    """A census whose pairs know how they are read.

    Attributes:
        census: its pairs have their rule, and shares of the object are by it. A mask that is all
            void is bad.
        rules: of each data set.
        lines: what was decided.
        warnings: what does not fit.
        others: data sets whose masks mean something else than by the rules that were held.
    """

    census: Census
    rules: dict[str, ReadingRule]
    lines: tuple[str, ...]
    warnings: tuple[str, ...]
    others: tuple[str, ...] = ()


def apply_rules(
    census: Census,
    *,
    given: Sequence[str] = (),
    held: Mapping[str, ReadingRule] | None = None,
    before: Sequence[str] = (),
    max_pixels: int = MAX_PIXELS,
) -> Ruled:
    """Decide for each data set of a census how its files are read.

    Args:
        census: of pairs of one or more data sets.
        given: words of ``--mask-values``; ``NAME:object=1`` holds for one data set alone.
        held: rules that a checkpoint was trained by, by data set.
        before: words of ``--mask-values`` that it was trained with; where those of now say the
            same of a data set, the rule that is held for it stays.
        max_pixels: the most that a file may have.

    Raises:
        SettingsError: ``given`` cannot be meant, or names a data set that is not there.
        DataError: no mask has a value that ``given`` calls object.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in census.entries:
        groups.setdefault(entry.pair.dataset, []).append(entry)
    refuse_unknown(given, list(groups))
    rules: dict[str, ReadingRule] = {}
    lines: list[str] = []
    warnings: list[str] = []
    others: list[str] = []
    for name, entries in groups.items():
        rule, words = (held or {}).get(name), words_for(name, given)
        sights = [_sight_of(entry) for entry in entries]
        if rule is not None and same_words(words, words_for(name, before)):
            words = []
        decided = decide_rule(name, sights, given=words, held=rule, max_pixels=max_pixels)
        if rule is not None:
            looks = [sight.mask for sight in sights]
            if same_labels(looks, rule.mask, decided.rule.mask):  # to the bit in what follows, too
                decided = replace(decided, rule=replace(decided.rule, mask=rule.mask))
            else:
                others.append(name)
        rules[name] = decided.rule
        lines += decided.lines
        warnings += (*decided.warnings, *decided.empty)
    ruled = [ruled_entry(entry, rules[entry.pair.dataset]) for entry in census.entries]
    kept = tuple(entry for entry in ruled if isinstance(entry, Entry))
    bad = (*census.bad, *(entry for entry in ruled if isinstance(entry, BadFile)))
    ruled_census = replace(census, entries=kept, bad=bad)
    return Ruled(ruled_census, rules, tuple(lines), tuple(warnings), tuple(others))


def words_for(name: str, given: Sequence[str]) -> list[str]:
    """The words of ``--mask-values`` that hold for a data set: its own, or those of all."""
    own = [word.rpartition(":")[2] for word in given if word.rpartition(":")[0] == name]
    return own or [word for word in given if ":" not in word]


def refuse_unknown(given: Sequence[str], names: Sequence[str]) -> None:
    """Refuse words of ``--mask-values`` for a data set that is not there.

    Raises:
        SettingsError: such a word.
    """
    for word in given:
        name = word.rpartition(":")[0]
        if name and name not in names:
            raise SettingsError(
                "--mask-values", f"got {word}", f"data sets are called {', '.join(names)}"
            )


def _sight_of(entry: Entry) -> Sight:
    if entry.sight is not None:
        return entry.sight
    pair = entry.pair  # of a census that somebody else took
    return Sight(pair.mask.name, see_mask(pair.mask, pair.rule), see_image(pair.image, pair.rule))


def ruled_entry(entry: Entry, rule: ReadingRule) -> Entry | BadFile:
    """A pair as it is by a rule; bad where all of its mask is void by it."""
    pair = replace(entry.pair, rule=rule)
    if rule.mask.plane is Plane.EACH:
        return replace(entry, pair=pair)
    object_, known = _shares(entry, pair, rule.mask)
    if not known:
        return BadFile(pair.key, pair.mask, "all of the mask is void")
    return replace(entry, pair=pair, foreground=object_ / known)


def _shares(entry: Entry, pair: Pair, meaning: MaskMeaning) -> tuple[float, float]:
    """Pixels of the object, and pixels that are not void."""
    if entry.sight is not None and (told := entry.sight.mask.shares(meaning)) is not None:
        return told[0], entry.sight.mask.total - told[1]
    labels = read_labels(pair.mask, pair.rule)
    void = 0 if labels.void is None else int(labels.void.sum())
    return int(labels.object.sum()), labels.object.size - void
