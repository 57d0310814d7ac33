"""An image and its mask, by name."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from decamo.data.rules import BY_ITSELF, ReadingRule

__all__ = ["Pair", "classes_of"]

# COD10K-CAM-<super class number>-<super class>-<sub class number>-<sub class>-<image number>
_COD10K = re.compile(r"COD10K-(?:CAM|NonCAM)-\d+-([A-Za-z]+)-(?:\d+-([^-]+)-)?", re.IGNORECASE)


@dataclass(frozen=True)
class Pair:
    """One image file and the mask file that belongs to it; nothing is read yet.

    Attributes:
        image: path of the photograph.
        mask: path of the binary mask.
        stem: the image's file name without its extension; behind the folders that it lies in,
            where a set keeps its images in several: ``frog/frog_0``.
        dataset: name of the data set's folder, such as ``COD10K-v3``.
        split: ``train`` or ``test``.
        rule: how the two files are read, decided for the whole data set; the default reads each
            by itself.
    """

    image: Path
    mask: Path
    stem: str
    dataset: str
    split: str
    rule: ReadingRule = field(default=BY_ITSELF, repr=False)

    @property
    def key(self) -> str:
        """``dataset/stem``: names the pair wherever its files may lie."""
        return f"{self.dataset}/{self.stem}"

    @property
    def noncam_by_name(self) -> bool:
        """Whether COD10K's own naming says that nothing camouflaged is in the image."""
        return self.stem.rpartition("/")[2].casefold().startswith("cod10k-noncam-")

    @property
    def super_class(self) -> str:
        """COD10K's super class (Fan et al., 2020), such as ``Aquatic``; empty for other names."""
        return classes_of(self.stem)[0]


def classes_of(stem: str) -> tuple[str, str]:
    """COD10K's super class and sub class of a file name (Fan et al., 2020).

    ``COD10K-CAM-1-Aquatic-3-Crab-12`` gives ``("Aquatic", "Crab")``; both are empty for names of
    other data sets.
    """
    match = _COD10K.match(stem.rpartition("/")[2])
    return (match.group(1), match.group(2) or "") if match else ("", "")
