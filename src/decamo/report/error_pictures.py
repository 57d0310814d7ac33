"""Worst and median cases as a picture: the image, the map, and every wrong pixel by its kind."""

import io
import textwrap
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from decamo.data.packed_names import PackedNames
from decamo.evaluation import (
    ERROR_KINDS,
    CaseSet,
    ImageResult,
    Method,
    Rules,
    SetScore,
    Values,
    band_of,
    map_of,
    read_truth,
    to_bytes,
)
from decamo.evaluation.error_analysis import classify_errors
from decamo.inference import mask_outline
from decamo.metrics import binarise
from decamo.storage.outputs import SCORES_MARK, write_output

__all__ = [
    "AtlasCase",
    "atlas_cases",
    "draw_atlas",
    "pick_cases",
]

# Apart from one another for most colour-blind eyes (Okabe and Ito, 2008).
_COLOURS = {
    "missed": (0, 114, 178),
    "false": (213, 94, 0),
    "boundary": (240, 228, 66),
    "hole": (204, 121, 167),
    "part": (86, 180, 233),
    "spill": (230, 159, 0),
}
_HIT, _GROUND, _TRUTH = (120, 120, 120), (28, 28, 28), (0, 220, 255)
_SIDE = 480  # px of the longer side as drawn; more cannot be seen


@dataclass(frozen=True)
class AtlasCase:
    """One case to draw.

    Attributes:
        kind: ``worst`` or ``median``.
        result: its scores.
        grey: the map, uint8 or float64 in [0, 1], ``[H, W]``.
        mask: bool ``[H, W]``.
        image: RGB uint8 ``[H, W, 3]``, or None where it is not known.
        band: width of the boundary band, in px.
        stretch: whether the map is stretched before the threshold.
        published: whether only what lies above the threshold is object.
    """

    kind: str
    result: ImageResult
    grey: Values
    mask: npt.NDArray[np.bool_]
    image: npt.NDArray[np.uint8] | None
    band: int
    stretch: bool = False
    published: bool = False


def pick_cases(results: Sequence[ImageResult], count: int = 4) -> list[tuple[str, ImageResult]]:
    """The ``count`` cases of lowest IoU and as many around the median, none twice.

    Of equal IoU, the case with more error mass (higher MAE) is the worse; then the name decides.
    """
    iou, error, stems = array("d"), array("d"), PackedNames(result.stem for result in results)
    for result in results:
        iou.append(result.measures.iou)
        error.append(-result.measures.mae)
    ordered = all(a <= b for a, b in pairwise(stems))
    by_name = np.arange(len(stems)) if ordered else np.argsort(np.array(stems, dtype=object))
    ranked = by_name[np.lexsort((np.array(error)[by_name], np.array(iou)[by_name]))]
    worst = ranked[:count]
    rest = ranked[len(worst) :]
    middle = len(ranked) // 2 - len(worst) - count // 2  # where the median's neighbours begin
    first = max(0, min(middle, len(rest) - count))
    picked = [("worst", n) for n in worst] + [("median", n) for n in rest[first : first + count]]
    return [(kind, results[int(n)]) for kind, n in picked]


def draw_atlas(path: Path, title: str, cases: Sequence[AtlasCase]) -> None:
    """Write a PNG with a row for each case: the image with the true outline, map, and errors.

    Raises:
        StorageError: the file cannot be written.
    """
    rows = max(len(cases), 1)
    figure = Figure(figsize=(11, 2.75 * rows + 0.9), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, 4, squeeze=False, width_ratios=(1, 1, 1, 0.85))
    for axes in grid.flat:
        axes.set_axis_off()
    for row, case in zip(grid, cases, strict=False):
        _draw_row(row, case)
    for axes, head in zip(grid[0], ("true outline", "prediction", "errors"), strict=False):
        axes.set_title(head, fontsize=10)
    patches = [Patch(color=_unit(_COLOURS[k]), label=k) for k in ERROR_KINDS]
    patches.append(Patch(color=_unit(_HIT), label="right"))
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), fontsize=9)
    figure.suptitle(title, fontsize=11)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": SCORES_MARK})
    write_output(path, out.getbuffer())


def _draw_row(row: Sequence[Axes], case: AtlasCase) -> None:
    size = _drawn_size(case.mask.shape)
    grey = np.stack([to_bytes(case.grey)] * 3, -1)
    ground = grey if case.image is None else case.image
    picture = _resized(ground, size)
    true = np.asarray(Image.fromarray(case.mask).resize(size))
    picture[_thick(mask_outline(true))] = _TRUTH
    predicted = _resized(grey, size)
    for axes, shown in zip(row, (picture, predicted, _errors(case, size)), strict=False):
        axes.imshow(shown, interpolation="nearest")
    row[3].text(0, 0.5, _caption(case), va="center", fontsize=8.5, linespacing=1.4,
                transform=row[3].transAxes)  # fmt: skip


def _errors(case: AtlasCase, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Each wrong pixel in the colour of its kind, right object pixels grey."""
    binary = binarise(case.grey, stretch=case.stretch, published=case.published)
    kinds = classify_errors(binary, case.mask, case.band)
    palette = np.array([_GROUND, *(_COLOURS[k] for k in ERROR_KINDS)], dtype=np.uint8)
    picture = palette[kinds]
    picture[binary & case.mask] = _HIT
    return np.array(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def _caption(case: AtlasCase) -> str:
    scores, loss = case.result.measures, case.result.loss
    lines = textwrap.wrap(f"{case.kind}: {case.result.stem}", 34)
    lines.append(f"IoU {scores.iou:.3f}  S {scores.s:.3f}  wF {scores.weighted_f:.3f}")
    lines.append(f"MAE {scores.mae:.3f}  boundary IoU {scores.boundary_iou:.3f}")
    if loss is not None:
        parts = [(kind, getattr(loss, kind)) for kind in ERROR_KINDS]
        lines += [f"{kind}: -{share:.3f}" for kind, share in parts if share >= 0.0005]
        lines.append(f"IoU with perfect boundary {loss.iou_perfect_boundary:.3f}")
    if case.result.missing:
        lines.append("no map: counted as finding nothing")
    return "\n".join(lines)


def _drawn_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """(width, height) as drawn, in px."""
    share = min(1.0, _SIDE / max(shape))
    return max(1, round(shape[1] * share)), max(1, round(shape[0] * share))


def _resized(picture: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    return np.array(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))


def _thick(line: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The line one pixel wider to the right and below, so that it is seen."""
    wide = line.copy()
    wide[1:] |= line[:-1]
    wide[:, 1:] |= line[:, :-1]
    return wide


def _unit(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    red, green, blue = colour
    return red / 255, green / 255, blue / 255


def atlas_cases(score: SetScore, method: Method, cases: CaseSet, rules: Rules) -> list[AtlasCase]:
    """Worst and median cases of a score, predicted or read again.

    Args:
        score: whose results are ranked.
        method: that made the maps.
        cases: the set that was scored.
        rules: by which it was scored.
    """
    picked = pick_cases(score.results)
    wanted = {result.stem for _, result in picked}
    by_stem = {case.stem: case for case in cases.cases if case.stem in wanted}
    chosen = CaseSet(cases.name, tuple(by_stem[result.stem] for _, result in picked))
    made = []
    for (kind, result), job in zip(picked, method.jobs(chosen), strict=True):
        truth, image = job.truth, job.image
        if truth is None:
            truth, image = read_truth(job.case, with_image=True)
        grey, _ = map_of(job, truth, rules)
        band, mask = rules.band or band_of(truth.shape), truth.by(rules.convention)
        made.append(
            AtlasCase(kind, result, grey, mask, image, band, rules.stretch, rules.published)
        )
    return made
