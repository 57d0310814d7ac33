"""Where each expert fires on an image: a row for each level, a column for each expert."""

import io
import textwrap
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from decamo.inference import mask_outline, overlay
from decamo.metrics import THRESHOLD
from decamo.nn.activation_recorder import Firing
from decamo.nn.gate_recorder import entropy_share
from decamo.settings.words import level_name
from decamo.storage.outputs import PREDICTION_MARK, write_output

__all__ = ["draw_experts", "write_experts"]

_PREDICTED = (255, 64, 0)  # as in an overlay of `decamo predict`
_HEAT = colormaps["viridis"]  # even steps, for most colour-blind eyes too; orange stands out on it
_BAR = "#7a7a7a"
_PANEL = 1.6  # inches, the longer side of one heat
_NARROW = 1.5  # inches, the least width of a column: its words need that
_SIDE = 240  # px of the longer side of an image as drawn
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
    share = _SIDE / max(shape[:2])
    return max(1, round(shape[1] * share)), max(1, round(shape[0] * share))
