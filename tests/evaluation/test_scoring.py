import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from decamo.data.pairs import Pair
from decamo.errors import UnreadableImage
from decamo.evaluation.scoring import ImageScores, Pixels, score_chunks
from decamo.inference.predictor import Predictor
from decamo.nn import build_segmenter
from decamo.settings import ModelSettings

Array = npt.NDArray[np.uint8]


class RedIsObject(Predictor):
    """An oracle: the red channel is the probability. Remembers the batches it saw."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def predict(self, images: Sequence[Array]) -> list[npt.NDArray[np.float32]]:
        self.batches.append(len(images))
        return [(i[..., 0] / 255).astype(np.float32) for i in images]


def score_pairs(predictor: Predictor, pairs: list[Pair], **how: Any) -> list[ImageScores]:
    return [one for chunk in score_chunks(predictor, pairs, **how) for one in chunk]


def write_pair(folder: Path, number: int, image: Array, mask: npt.NDArray[np.bool_]) -> Pair:
    stem = f"p{number}"
    paths = folder / f"{stem}.png", folder / f"{stem}_mask.png"
    Image.fromarray(image).save(paths[0])
    Image.fromarray(mask.astype(np.uint8) * 255).save(paths[1])
    return Pair(*paths, stem, "made", "test")


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    """Five pairs of different sizes; in pair n, n of the 10 rows of the object are found."""
    made = []
    for n in range(5):
        height, width = 20, 8 + n
        image = np.zeros((height, width, 3), np.uint8)
        image[:n, :, 0] = 255
        mask = np.zeros((height, width), np.bool_)
        mask[:10] = True
        made.append(write_pair(tmp_path, n, image, mask))
    return made


@pytest.mark.parametrize("batch", [1, 2, 5, 8])
@pytest.mark.parametrize("threads", [0, 1, 3])
def test_scores_are_in_the_order_of_the_pairs(pairs: list[Pair], batch: int, threads: int) -> None:
    predictor = RedIsObject()

    scored = score_pairs(predictor, pairs, batch=batch, threads=threads)

    assert [s.pair for s in scored] == pairs
    for n, s in enumerate(scored):
        assert s.scores.iou == n / 10
        assert s.scores.dice == pytest.approx(2 * n / (10 + n))
        assert s.scores.mae == pytest.approx((10 - n) / 20)
    assert sum(predictor.batches) == 5
    assert max(predictor.batches) == min(batch, 5)


def test_scores_come_by_the_batch_and_may_be_left_at_any_time(pairs: list[Pair]) -> None:
    assert [len(c) for c in score_chunks(RedIsObject(), pairs, batch=2)] == [2, 2, 1]
    before = threading.active_count()
    chunks = score_chunks(RedIsObject(), pairs, batch=2)
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_pixels_are_counted_and_the_sure_mistakes_among_them(tmp_path: Path) -> None:
    red = np.array([[0, 1, 100, 130], [255, 254, 200, 255]], np.uint8)
    mask = np.array([[True, True, True, False], [False, False, False, True]])
    image = np.zeros((2, 4, 3), np.uint8)
    image[..., 0] = red
    (scored,) = score_pairs(RedIsObject(), [write_pair(tmp_path, 0, image, mask)])
    # wrong: all but the last; of these 0, 1, 255 and 254 are within 0.01 of the end of the scale
    assert scored.pixels == Pixels(all=8, object=4, predicted=5, wrong=7, sure_wrong=4)


def test_no_pair_gives_no_score() -> None:
    assert score_pairs(RedIsObject(), []) == []


def test_an_unreadable_file_is_named_and_no_thread_stays(pairs: list[Pair]) -> None:
    pairs[3].image.write_bytes(b"")
    before = threading.active_count()

    with pytest.raises(UnreadableImage, match=r"p3\.png"):
        score_pairs(RedIsObject(), pairs, batch=2)

    assert threading.active_count() == before


def test_a_network_scores_the_same_in_any_batch(pairs: list[Pair]) -> None:
    chosen = ModelSettings("test_efficientnet", num_experts=2, pretrained=False)
    predictor = Predictor(build_segmenter(chosen, sizes=[64], seed=0), 64)

    one, many = (score_pairs(predictor, pairs, batch=b) for b in (1, 4))

    for a, b in zip(one, many, strict=True):
        assert a.scores.mae == pytest.approx(b.scores.mae, abs=1e-5)
