import base64
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from torch import nn

from decamo.data.layouts import find_pairs
from decamo.data.pairs import Pair
from decamo.evaluation.scoring import ImageScores, Pixels
from decamo.inference.predictor import Predictor
from decamo.metrics import Scores
from decamo.report.run_gallery import choose_shots, make_gallery, outlined


def scored(name: str, iou: float, mae: float = 0.1) -> ImageScores:
    pair = Pair(Path(f"{name}.jpg"), Path(f"{name}.png"), name, "Set", "train")
    return ImageScores(pair, Scores(iou, iou, mae), Pixels(4, 1, 1, 0, 0))


def names(cases: list[tuple[str, ImageScores]], sort: str) -> list[str]:
    return [one.pair.stem for s, one in cases if s == sort]


def test_best_median_and_worst_are_chosen() -> None:
    cases = choose_shots([scored(f"{n:02d}", n / 100) for n in range(21)], 3)
    assert names(cases, "best") == ["20", "19", "18"]
    assert names(cases, "median") == ["11", "10", "09"]
    assert names(cases, "worst") == ["00", "01", "02"]


@pytest.mark.parametrize("count", range(12))
def test_none_is_chosen_twice(count: int) -> None:
    cases = choose_shots([scored(str(n), n / 100) for n in range(count)], 3)
    stems = [one.pair.stem for _, one in cases]
    assert len(set(stems)) == len(stems) == min(count, 9)
    assert len(names(cases, "worst")) == min(count, 3)


def test_of_equals_the_larger_error_is_the_worse() -> None:
    cases = choose_shots([scored("a", 0, 0.2), scored("b", 0, 0.3), scored("c", 0, 0.1)], 1)
    assert names(cases, "worst") == ["b"]
    assert names(cases, "best") == ["c"]


def test_outlines_lie_on_the_edges() -> None:
    image = np.full((40, 40, 3), 50, np.uint8)
    true = np.zeros((40, 40), bool)
    true[5:15, 5:15] = True
    found = np.zeros((40, 40), bool)
    found[20:35, 20:35] = True
    picture = outlined(image, true, found)
    cyan = (picture == (0, 220, 255)).all(-1)
    orange = (picture == (255, 64, 0)).all(-1)
    assert cyan[5, 5:15].all()
    assert not cyan[8:13, 8:13].any()
    edge = orange[20, 20:35]
    assert edge.any()
    assert not edge.all()  # dashed
    assert (picture[25:30, 25:30] == 50).all()
    assert (image == 50).all()


class Truthful(Predictor):
    """Finds the object of some images and nothing in others."""

    def __init__(self, masks: list[npt.NDArray[np.bool_]], right: set[int]) -> None:
        self.masks, self.right = masks, right
        self.images: list[bytes] = []
        self.model = nn.Identity()  # type: ignore[assignment]

    def learn(self, pairs: list[Pair]) -> None:
        self.images = [np.asarray(Image.open(p.image).convert("RGB")).tobytes() for p in pairs]

    def predict(self, images: object) -> list[npt.NDArray[np.float32]]:
        assert isinstance(images, list)
        found = [self.images.index(i.tobytes()) for i in images]
        return [
            self.masks[n].astype(np.float32)
            if n in self.right
            else np.zeros_like(self.masks[n], np.float32)
            for n in found
        ]


def test_a_gallery_is_made_of_predictions(scenes: Path) -> None:
    pairs = [p for p in find_pairs([scenes], "train").pairs if not p.noncam_by_name][:8]
    masks = [np.asarray(Image.open(p.mask).convert("L")) > 127 for p in pairs]
    predictor = Truthful(masks, right={1, 3, 4, 6})
    predictor.learn(pairs)
    told: list[tuple[int, int]] = []
    gallery = make_gallery(
        predictor, pairs, lambda done, total: told.append((done, total)), count=2
    )
    assert told == [(8, 8)]
    assert gallery.ious == [0.0] * 4 + [1.0] * 4
    assert list(gallery.sheets) == []
    assert [s.iou for s in gallery.shots] == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    assert {s.name for s in gallery.shots} <= {p.key for p in pairs}
    for shot in gallery.shots:
        for data in (shot.image, shot.outlines):
            picture = Image.open(io.BytesIO(base64.b64decode(data)))
            assert picture.format == "JPEG"
            assert max(picture.size) <= 320
