"""How images are read that a trained network is to see: no data set, no masks, no census."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from decamo.data.decoding import is_wide_file
from decamo.data.pixel_range import WideLook, decide_scale, fitting_scale, scale_words
from decamo.data.read_ahead import patient_read
from decamo.data.reading import see_image
from decamo.data.rules import MAX_PIXELS, PixelScale, ReadingRule
from decamo.data.waiting import NOBODY, Ear
from decamo.errors import DataStalled, UnreadableImage
from decamo.settings.words import counted

__all__ = ["ImagesRule", "ranges_of", "rule_for_images"]

T = TypeVar("T")
_LOOKS = 200  # images that tell which range of training is theirs


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
