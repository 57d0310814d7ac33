"""The photographs under ``--unlabelled``: no masks that lie beside them, nothing to test on."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from decamo.data.annotations import sources_at
from decamo.data.inside import located
from decamo.data.matching import match_stems
from decamo.errors import DataError
from decamo.inference.inputs import images_under
from decamo.settings.words import counted

__all__ = ["Photographs", "find_photographs"]

_FLAG = "--unlabelled"


@dataclass(frozen=True)
class Photographs:
    """What was found.

    Attributes:
        files: in order, each once.
        masks: how many images were left out because they are masks of others.
        tests: how many, because they are to test or to validate on.
    """

    files: tuple[Path, ...]
    masks: int = 0
    tests: int = 0

    def left_out(self) -> str:
        """Masks and test images, in words; empty where there are none."""
        parts = [counted(self.masks, "mask")] * bool(self.masks)
        parts += [f"{counted(self.tests, 'image')} to test or validate on"] * bool(self.tests)
        return " and ".join(parts)


def find_photographs(folders: Sequence[Path]) -> Photographs:
    """The photographs of some folders and of those below, by their names alone.

    A folder may be a data set whose masks are not to be believed or not to be used: what lies in a
    folder of masks, or is the mask of the image beside it, is no photograph. Nor does the half of a
    data set train that was published to test on.

    Raises:
        DataError: a folder is missing, or holds no photograph to train on.
    """
    files: dict[Path, None] = {}
    masks = tests = 0
    for given in folders:
        root = located(given.expanduser())
        if not root.is_dir():
            got = f"{given} {'is no folder' if root.exists() else 'does not exist'}"
            raise DataError(_FLAG, got, "name a folder of photographs")
        found = _photographs_in(type(root)(os.path.abspath(root)))  # noqa: PTH100 - as in sources_at
        if not found.files:
            left_out = found.left_out() or "it holds no image"
            raise DataError(
                _FLAG, f"no photograph to train on in {given}: {left_out}",
                "name a folder of photographs",
            )  # fmt: skip
        files |= dict.fromkeys(found.files)
        masks, tests = masks + found.masks, tests + found.tests
    return Photographs(tuple(files), masks, tests)


def _photographs_in(root: Path) -> Photographs:
    try:
        every = images_under(root)
    except DataError:  # none at all, which the caller says in its flag's name
        return Photographs(())
    sources = sources_at(root)
    drawn = {source.masks for source in sources if source.masks != source.images}
    beside = {
        pair.mask
        for source in sources
        if source.beside
        for pair in match_stems(source, source.split).pairs
    }
    tested = {source.images for source in sources if not source.serves("train")}
    masks = [p for p in every if p in beside or not drawn.isdisjoint(p.parents)]
    are_masks = set(masks)
    others = [path for path in every if path not in are_masks]
    kept = tuple(path for path in others if tested.isdisjoint(path.parents))
    return Photographs(kept, len(masks), len(others) - len(kept))
