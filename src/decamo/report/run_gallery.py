"""The cases of a run's gallery: its network on validation images, and where each expert fires."""

import base64
import io
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from decamo.data.pairs import Pair
from decamo.data.reading import read_pair
from decamo.evaluation.scoring import ImageScores, score_chunks
from decamo.inference import mask_outline, overlay
from decamo.inference.predictor import Predictor
from decamo.metrics import THRESHOLD
from decamo.nn.expert_recorders import ActivationRecorder, Firing, entropy_share
from decamo.report.experts_section import Gallery, Sheet, Shot
from decamo.settings.words import level_name
from decamo.storage.outputs import PREDICTION_MARK, write_output

__all__ = [
    "choose_shots",
    "draw_experts",
    "make_gallery",
    "outlined",
    "write_experts",
]

_PREDICTED = (255, 64, 0)  # as in an overlay of `decamo predict`
_HEAT = colormaps["viridis"]  # even steps, for most colour-blind eyes too; orange stands out on it
_BAR = "#7a7a7a"
_PANEL = 1.6  # inches, the longer side of one heat
_NARROW = 1.5  # inches, the least width of a column: its words need that
_DRAWN_SIDE = 240  # px of the longer side of an image as drawn
_GROUND = 0.3  # share of a panel's colour that is the image's
_HOW = (
    "Heat: where an expert moves the features; dark is not at all, bright the most that it does"
    " here. Above: its gate, and how far it moves them on average, as a share of their size (the"
    " bar). Entropy of the gates: 0 is one expert, 1 all alike. Orange: the predicted object."
)


def write_experts(
    path: Path,
    title: str,
    image: npt.NDArray[np.uint8],
    probability: npt.NDArray[np.float32],
    firing: Firing,
) -> None:
    """Write the sheet of :func:`draw_experts` as a PNG.

    Raises:
        StorageError: the file cannot be written.
    """
    write_output(path, draw_experts(title, image, probability, firing))


def draw_experts(
    title: str,
    image: npt.NDArray[np.uint8],
    probability: npt.NDArray[np.float32],
    firing: Firing,
    form: str = "png",
) -> bytes:
    """A picture file with the heat of each expert at each level over the image.

    Args:
        title: above it.
        image: RGB uint8 ``[H, W, 3]``.
        probability: float32 ``[H, W]`` in [0, 1].
        firing: of the image; its grids cover the whole image.
        form: ``png`` or ``jpeg``.
    """
    size = _drawn_size(image.shape)
    small = np.array(Image.fromarray(image).resize(size, Image.Resampling.BOX))
    likely = np.array(Image.fromarray(probability).resize(size, Image.Resampling.BILINEAR))
    line = mask_outline(likely >= THRESHOLD)
    rows, columns = firing.gates.shape
    width, height = (_PANEL * side / max(size) for side in size)
    figure = Figure(
        figsize=((max(width, _NARROW) + 0.08) * (columns + 1) + 0.5, (height + 0.4) * rows + 1.0),
        dpi=110,
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns + 1, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    entropies = entropy_share(firing.gates)
    for level, row in enumerate(grid):
        row[0].set_ylabel(f"{level_name(level)}\nentropy {entropies[level]:.2f}", fontsize=8)
        _draw_level(list(row[1:]), level, firing, small, line)
    _draw_first([row[0] for row in grid], small, likely)
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(textwrap.fill(_HOW, int(16 * figure.get_figwidth())), fontsize=8)
    out = io.BytesIO()
    figure.savefig(
        out,
        format=form,
        metadata={"Software": PREDICTION_MARK} if form == "png" else None,
        pil_kwargs={"quality": 80} if form == "jpeg" else {},
    )
    return out.getvalue()


def _draw_level(
    row: list[Axes],
    level: int,
    firing: Firing,
    image: npt.NDArray[np.uint8],
    line: npt.NDArray[np.bool_],
) -> None:
    strength = firing.strength[level].numpy()
    moves = strength.mean((1, 2))
    for index, axes in enumerate(row):
        axes.imshow(_heat(strength[index], image, line), interpolation="nearest")
        told = f"gate {float(firing.gates[level, index]):.0%}, moves {moves[index]:.1%}"
        name = firing.names[index].replace(", ", "\n")
        axes.set_title(f"{name}\n{told}" if level == 0 else told, fontsize=7.5, pad=3)
        share = moves[index] / max(float(moves.max()), 1e-9)
        axes.add_patch(
            Rectangle(
                (0, -0.055), share, 0.035, transform=axes.transAxes, clip_on=False, color=_BAR
            )
        )


def _draw_first(
    column: list[Axes], image: npt.NDArray[np.uint8], likely: npt.NDArray[np.float32]
) -> None:
    """The image and the map, as far as there are rows."""
    column[0].imshow(overlay(image, likely))
    column[0].set_title("image", fontsize=8, pad=3)
    if len(column) > 1:
        column[1].imshow(likely, cmap="gray", vmin=0, vmax=1)
        column[1].set_title("probability", fontsize=8, pad=3)


def _heat(
    strength: npt.NDArray[np.float32],
    image: npt.NDArray[np.uint8],
    line: npt.NDArray[np.bool_],
) -> npt.NDArray[np.uint8]:
    """RGB uint8 ``[h, w, 3]``: the heat over the grey image, with the outline."""
    size = image.shape[1], image.shape[0]
    grown = np.array(Image.fromarray(strength).resize(size, Image.Resampling.BILINEAR))
    # A few positions with next to no features of their own would take the whole scale.
    most = max(float(np.quantile(grown, 0.995)), 1e-6)
    colour = _HEAT(np.clip(grown / most, 0, 1))[..., :3]
    grey = image.mean(2, keepdims=True) / 255
    picture = np.rint(255 * ((1 - _GROUND) * colour + _GROUND * grey)).astype(np.uint8)
    picture[line] = _PREDICTED
    return picture


def _drawn_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """(width, height) as drawn, in px."""
    share = _DRAWN_SIDE / max(shape[:2])
    return max(1, round(shape[1] * share)), max(1, round(shape[0] * share))


_GALLERY_SIDE = 320  # px of the longer side as shown
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
    share = min(1.0, _GALLERY_SIDE / max(mask.shape))
    size = max(1, round(mask.shape[1] * share)), max(1, round(mask.shape[0] * share))
    small = np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
    true, found = (np.array(Image.fromarray(m).resize(size)) for m in (mask, predicted))
    lines = outlined(small, true, found)
    return Shot(sort, one.pair.key, one.scores.iou, _jpeg(small), _jpeg(lines))


def _sheets(predictor: Predictor, sort: str, one: ImageScores) -> list[Sheet]:
    """One sheet; none where the network has not several experts."""
    image, _ = read_pair(one.pair)
    with ActivationRecorder(predictor.model) as watch:
        probability = predictor.predict([image])[0]
        firings = watch.take()
    drawn = [
        draw_experts(one.pair.stem, image, probability, firing, form="jpeg")
        for firing in firings
        if len(firing.names) > 1
    ]
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
