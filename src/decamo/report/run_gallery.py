"""The cases of a run's gallery: its network on its validation images."""

import base64
import io
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from decamo.data.pairs import Pair
from decamo.data.reading import read_pair
from decamo.evaluation.scoring import ImageScores, score_chunks
from decamo.inference import mask_outline
from decamo.inference.predictor import Predictor
from decamo.metrics import THRESHOLD
from decamo.nn.activation_recorder import ActivationRecorder
from decamo.report.experts_picture import draw_experts
from decamo.report.experts_section import Gallery, Sheet, Shot

__all__ = ["choose_shots", "make_gallery", "outlined"]

_SIDE = 320  # px of the longer side as shown
_QUALITY = 82  # of a JPEG; above, size grows faster than anyone can see
_TRUTH, _PREDICTED = (0, 220, 255), (255, 64, 0)  # as in an overlay of `decamo predict`
_DASH = 7  # px


def make_gallery(
    predictor: Predictor,
    pairs: Sequence[Pair],
    on_progress: Callable[[int, int], None],
    *,
    count: int = 3,
    threads: int = 2,
) -> Gallery:
    """Score all pairs and show some.

    Args:
        predictor: the network.
        pairs: validation images.
        on_progress: called with (images scored, images in all).
        count: cases of each sort.
        threads: readers.

    Raises:
        UnreadableImage: a file cannot be decoded.
    """
    scored: list[ImageScores] = []
    for chunk in score_chunks(predictor, pairs, threads=threads):
        scored += chunk
        on_progress(len(scored), len(pairs))
    chosen = choose_shots(scored, count)
    shots = [_shot(predictor, sort, one) for sort, one in chosen]
    firsts = dict(reversed(chosen))  # of each sort
    sheets = [s for sort in reversed(firsts) for s in _sheets(predictor, sort, firsts[sort])]
    return Gallery(shots, ious=sorted(s.scores.iou for s in scored), sheets=sheets)


def choose_shots(scored: Sequence[ImageScores], count: int) -> list[tuple[str, ImageScores]]:
    """The ``count`` of highest IoU, as many around the median, as many of lowest; none twice.

    Where there are too few for all, the worst are chosen first, then the best.
    """
    ranked = sorted(scored, key=lambda s: (-s.scores.iou, s.scores.mae, s.pair.key))
    worst = ranked[max(len(ranked) - count, 0) :]
    best = ranked[: min(count, len(ranked) - len(worst))]
    rest = ranked[len(best) : len(ranked) - len(worst)]
    first = max(0, min(len(ranked) // 2 - len(best) - count // 2, len(rest) - count))
    middle = rest[first : first + count]
    sorts = (("best", best), ("median", middle), ("worst", worst[::-1]))
    return [(sort, one) for sort, some in sorts for one in some]


def outlined(
    image: npt.NDArray[np.uint8], true: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint8]:
    """The image with the true outline in cyan and the predicted one in dashed orange.

    Args:
        image: RGB uint8 ``[H, W, 3]``.
        true: bool ``[H, W]``.
        predicted: bool ``[H, W]``.

    Returns:
        RGB uint8 ``[H, W, 3]``.
    """
    picture = image.copy()
    rows, columns = np.indices(true.shape)
    dashes = (rows + columns) // _DASH % 2 == 0
    picture[_thick(mask_outline(true))] = _TRUTH
    picture[_thick(mask_outline(predicted)) & dashes] = _PREDICTED
    return picture


def _shot(predictor: Predictor, sort: str, one: ImageScores) -> Shot:
    image, mask = read_pair(one.pair)
    predicted = predictor.predict([image])[0] >= THRESHOLD
    share = min(1.0, _SIDE / max(mask.shape))
    size = max(1, round(mask.shape[1] * share)), max(1, round(mask.shape[0] * share))
    small = np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
    true, found = (np.array(Image.fromarray(m).resize(size)) for m in (mask, predicted))
    lines = outlined(small, true, found)
    return Shot(sort, one.pair.key, one.scores.iou, _jpeg(small), _jpeg(lines))


def _sheets(predictor: Predictor, sort: str, one: ImageScores) -> list[Sheet]:
    """One sheet; none where the network has no experts."""
    image, _ = read_pair(one.pair)
    with ActivationRecorder(predictor.model) as watch:
        probability = predictor.predict([image])[0]
        firings = watch.take()
    drawn = [draw_experts(one.pair.stem, image, probability, f, form="jpeg") for f in firings]
    encoded = [base64.b64encode(picture).decode() for picture in drawn]
    return [Sheet(sort, one.pair.key, one.scores.iou, picture) for picture in encoded]


def _thick(line: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The line one pixel wider to the right and below, so that it is seen."""
    wide = line.copy()
    wide[1:] |= line[:-1]
    wide[:, 1:] |= line[:, :-1]
    return wide


def _jpeg(picture: npt.NDArray[np.uint8]) -> str:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=_QUALITY, optimize=True)
    return base64.b64encode(out.getvalue()).decode()
