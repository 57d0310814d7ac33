from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from decamo.data.audit.inventory import Holding
from decamo.data.audit.look import FileFacts
from decamo.data.audit.summary import QUANTILES, SIZE_EDGES, size_label, summarize_holding
from decamo.data.census import Entry
from decamo.data.pairs import Pair

STEMS = (
    "COD10K-CAM-1-Aquatic-3-Crab-1", "COD10K-CAM-1-Aquatic-3-Crab-2",
    "COD10K-CAM-3-Flying-53-Bird-3", "COD10K-NonCAM-5-Other-69-Other-4", "plain",
)  # fmt: skip
SHARES = (0.0, 0.01, 0.05, 0.3, 1.0)


def holding() -> tuple[Holding, dict[str, FileFacts], list[Entry]]:
    pairs = tuple(Pair(Path(f"{s}.jpg"), Path(f"{s}.png"), s, "Set", "train") for s in STEMS)
    entries = [
        Entry(pair, 100 + 10 * n, 200, share)
        for n, (pair, share) in enumerate(zip(pairs, SHARES, strict=True))
    ]
    files = [*(p.image for p in pairs), *(p.mask for p in pairs)]
    facts = {str(path): FileFacts(str(path), "image", size=1000) for path in files}
    held = Holding("Set", "train", "Image + GT", pairs, tuple(files[:5]), tuple(files[5:]))
    return held, facts, entries


def test_counts() -> None:
    s = summarize_holding(*holding())
    assert (s.images, s.masks, s.pairs, s.usable, s.bytes) == (5, 5, 5, 5, 10_000)
    assert s.noncam == 2  # one by its empty mask, one by its name
    assert s.noncam_share == 0.4
    assert s.super_classes == {"Aquatic": 2, "Flying": 1, "Other": 1}
    assert s.sub_classes == {"Crab": 2, "Bird": 1, "Other": 1}


def test_sizes_against_counting_one_by_one() -> None:
    s = summarize_holding(*holding())
    edges = (0.0, *SIZE_EDGES, 1.01)
    expected = [
        sum(low <= share < high and share > 0 for share in SHARES) for low, high in pairwise(edges)
    ]
    assert list(s.sizes) == expected
    assert [size_label(i) for i in (0, 1, 6)] == ["0-1 %", "1-2 %", "40-100 %"]


def test_quantiles() -> None:
    s = summarize_holding(*holding())
    assert s.heights == pytest.approx(tuple(100 + 40 * q for q in QUANTILES))
    assert s.widths == (200,) * len(QUANTILES)
    assert s.megapixels == pytest.approx(tuple(np.array(s.heights) * 200 / 1e6))


def test_nothing_usable() -> None:
    held, facts, _ = holding()
    s = summarize_holding(held, facts, [])
    assert (s.usable, s.noncam_share, s.heights) == (0, 0.0, ())
    assert sum(s.sizes) == 0
