"""A census -> the same, each pair with the rule of its data set, and what is to be said of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from decamo.data.census import BadFile, Census, Entry
from decamo.data.decoding import is_wide_file
from decamo.data.given_values import same_labels, same_words
from decamo.data.pairs import Pair
from decamo.data.pixel_range import WideLook, decide_scale, fitting_scale, scale_words
from decamo.data.read_ahead import patient_read
from decamo.data.reading import read_labels, see_image, see_mask
from decamo.data.rules import MAX_PIXELS, MaskMeaning, PixelScale, Plane, ReadingRule
from decamo.data.survey import Sight, decide_rule
from decamo.data.waiting import NOBODY, Ear
from decamo.errors import DataStalled, SettingsError, UnreadableImage
from decamo.settings.words import counted

__all__ = [
    "ImagesRule",
    "Ruled",
    "apply_rules",
    "ranges_of",
    "refuse_unknown",
    "rule_for_images",
    "ruled_entry",
    "words_for",
]

T = TypeVar("T")
_LOOKS = 200  # images that tell which range of training is theirs


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


@dataclass(frozen=True)
class ImagesRule:
    """How images are read.

    Attributes:
        rule: by which.
        line: what was decided; empty where there is nothing to tell.
        stalled: files that were not read to their end while they were looked at.
    """

    rule: ReadingRule
    line: str = ""
    stalled: Mapping[Path, DataStalled] = field(default_factory=dict)


def rule_for_images(
    files: Iterable[Path],
    trained: Mapping[str, ReadingRule],
    *,
    max_pixels: int = MAX_PIXELS,
    ear: Ear = NOBODY,
) -> ImagesRule:
    """How images are read that a trained network is to see, and that in a line.

    As the training images of the data set were whose range fits these files, of those that have
    more than 8 bits; else by a look at all of these alone.

    Args:
        files: images; what cannot be read is left to whoever reads it.
        trained: rules of the data sets that the network was trained on.
        max_pixels: the most that a file may have.
        ear: listened to meanwhile.

    Raises:
        StopAsked: there was a reason to stop.
    """
    stalled: dict[Path, DataStalled] = {}

    def patiently(look: Callable[[Path], T], path: Path) -> T | None:
        if path in stalled:
            return None
        try:
            return patient_read(look, path, ear)
        except DataStalled as error:
            stalled[path] = error
            return None

    wide = [path for path in files if patiently(_is_wide, path)]
    ranges = ranges_of(trained)
    some = wide[:: max(1, len(wide) // _LOOKS)] if ranges else wide
    numbers = partial(_numbers_of, max_pixels=max_pixels)
    looks = [look for path in some if (look := patiently(numbers, path)) is not None]
    if not looks:
        return ImagesRule(ReadingRule(max_pixels=max_pixels), "", stalled)
    if ranges:
        scale, words = fitting_scale(looks, ranges)
        words = f"{counted(len(wide), 'image')} of more than 8 bits: {words}"
    else:
        scale = decide_scale(looks)
        words = scale_words(looks, scale)
    return ImagesRule(ReadingRule(scale=scale, max_pixels=max_pixels), words, stalled)


def ranges_of(trained: Mapping[str, ReadingRule]) -> dict[str, PixelScale]:
    """The ranges of numbers that the data sets of a training have, where they have one."""
    return {name: rule.scale for name, rule in trained.items() if rule.scale is not None}


def _is_wide(path: Path) -> bool:
    try:
        return is_wide_file(path)
    except UnreadableImage:
        return False


def _numbers_of(path: Path, max_pixels: int) -> WideLook | None:
    try:
        return see_image(path, ReadingRule(max_pixels=max_pixels))
    except UnreadableImage:
        return None


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
