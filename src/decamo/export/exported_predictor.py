"""An exported network as what makes maps: onnxruntime or OpenVINO, numpy, and no torch."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from decamo.errors import CheckpointMissing, SettingsError
from decamo.export.array_resize import squashed, stretched
from decamo.export.description import (
    LOGITS,
    Callers,
    ExportDescription,
    ExportTarget,
    Graph,
    target_of,
)
from decamo.extras import missing_extras
from decamo.inference.loaded import Trained
from decamo.inference.strips import row_strips
from decamo.inference.views import PreparedImage, Views

__all__ = ["ExportedPredictor", "is_exported", "open_exported", "open_graph"]

_SUREST = 9.0  # as decamo.inference.tta
_HERE = ("auto", "cpu")
_EXACT = ("auto", "fp32")

_Floats = npt.NDArray[np.float32]


def is_exported(source: str | Path) -> bool:
    """Whether a name is that of an exported network: decided by its ending alone."""
    return str(source).lower().endswith((".onnx", ".xml"))


class ExportedPredictor:
    """The maps of an exported network; as :class:`decamo.inference.predictor.Predictor` makes them.

    Args:
        graph: that runs the network.
        size: side of the square that images are resized to, in px.
        views: of each image; a mirrored one at most.
        decision: ``half``, or ``iou`` for maps moved to the region of the best expected IoU.
        reopened: gives the graph for so many callers at once; None where nobody asks for that.
    """

    dtype = None
    device = "cpu"

    def __init__(
        self,
        graph: Graph,
        size: int,
        views: Views,
        decision: str = "half",
        reopened: Callable[[Callers], Graph] | None = None,
    ) -> None:
        if views.scales != (1.0,) or views.closer:
            raise SettingsError(
                "--look-closer" if views.closer else "--scales",
                "the graph of an exported network looks once",
                "leave it out, or give the checkpoint",
            )
        self.graph, self.size, self.views, self.decision = graph, size, views, decision
        self._reopened = reopened

    def predict(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[_Floats]:
        """Probability that each pixel belongs to a camouflaged object.

        Args:
            images: RGB uint8 ``[H, W, 3]`` each, of any sizes.

        Returns:
            float32 ``[H, W]`` in [0, 1] for each image, at its own size.
        """
        seen = [self.prepare(image) for image in images]
        return [
            self.finish(logits, image.native)
            for logits, image in zip(self.look(seen), seen, strict=True)
        ]

    def for_threads(self, callers: int, cores: int) -> "ExportedPredictor | None":
        """One that looks at an image a thread, which wastes nothing between a network's layers."""
        if callers < 2 or self._reopened is None:
            return None
        graph = self._reopened(Callers(callers, max(cores // callers, 1)))
        return ExportedPredictor(graph, self.size, self.views, self.decision)

    def enter_thread(self) -> None:
        """Nothing: numpy computes with one core."""

    def prepare(self, image: npt.NDArray[np.uint8]) -> PreparedImage:
        """An image ``[H, W, 3]`` as the network takes it; may be called in any thread."""
        square = squashed(image, (self.size, self.size))
        return PreparedImage(square, (image.shape[0], image.shape[1]))

    def look(self, images: Sequence[PreparedImage]) -> list[_Floats]:
        """Logits float32 ``[s, s]`` of each image, as the graph gives them."""
        batch = np.stack([one.square for one in images])
        logits = self.graph(batch, LOGITS)
        if self.views.flips:
            mirrored = self.graph(np.ascontiguousarray(batch[..., ::-1]), LOGITS)[..., ::-1]
            logits = _mean_of(logits, mirrored)
        if self.decision == "iou":
            logits = np.stack([_moved(one) for one in logits])
        return [one[0] for one in logits]

    def finish(self, logits: _Floats, native: tuple[int, int]) -> _Floats:
        """The map float32 ``[H, W]`` of logits ``[s, s]``; may be called in any thread."""
        found = stretched(logits, native)
        for rows in row_strips(native):
            found[rows] = _sigmoid(found[rows])
        return found


def open_exported(
    path: Path,
    *,
    device: str = "auto",
    precision: str = "fp32",
    img_size: int | None = None,
    views: Views = Views(),  # noqa: B008 - frozen
    decide: str = "half",
) -> tuple[Trained, ExportedPredictor]:
    """Open an exported network; arguments are those of :func:`decamo.load`.

    Raises:
        CheckpointMissing: there is no such file.
        CheckpointForeign: it is no exported network of decamo.
        MissingExtra: its runtime is not installed.
        SettingsError: the size, the device, the precision or a view is not possible.
    """
    if device not in _HERE:
        raise SettingsError("--device", f"got {device}", "exported networks run on the CPU here")
    if precision not in _EXACT:
        raise SettingsError("--precision", f"got {precision}", "an exported network has its own")
    graph, described = open_graph(path)
    size = described.trained.img_size if img_size is None else img_size
    described.check_size(size)
    reopened = partial(_graph_for, path)
    return described.trained, ExportedPredictor(graph, size, views, decide, reopened)


def _graph_for(path: Path, callers: Callers) -> Graph:
    return open_graph(path, callers)[0]


def open_graph(
    path: Path,
    callers: Callers = Callers(),  # noqa: B008 - frozen
) -> tuple[Graph, ExportDescription]:
    """An exported network and what it says of itself; nothing in it is executed but its graph.

    Args:
        path: of the file.
        callers: threads that will call the graph at once.

    Raises:
        CheckpointMissing: there is no such file.
        CheckpointForeign: it is no exported network of decamo.
        MissingExtra: its runtime is not installed.
    """
    if not path.is_file():
        raise CheckpointMissing(path, "no such file", "name a file that decamo export wrote")
    with missing_extras():  # one of two runtimes: decisions/0007
        if target_of(path) is ExportTarget.ONNX:
            from decamo.export.onnx_graph import open_onnx as opened
        else:
            from decamo.export.openvino_graph import open_openvino as opened
    return opened(path, callers)


def _sigmoid(logits: _Floats) -> _Floats:
    """Without overflow on either side."""
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1 / (1 + small), small / (1 + small)).astype(np.float32)


def _mean_of(first: _Floats, second: _Floats) -> _Floats:
    """Logits of the mean of two probabilities, as :func:`decamo.inference.tta.seen_through`."""
    likely = np.logaddexp(-np.logaddexp(0, -first), -np.logaddexp(0, -second))
    unlikely = np.logaddexp(-np.logaddexp(0, first), -np.logaddexp(0, second))
    return np.asarray(likely - unlikely, np.float32)


def _moved(logits: _Floats) -> _Floats:
    """A map less the logit of its threshold, as :func:`decamo.inference.tta.decided` moves it."""
    likeliest = np.sort(logits, axis=None)[::-1]
    met = np.cumsum(1 / (1 + np.exp(-likeliest.astype(np.float64))))
    expected = met / (np.arange(1, len(met) + 1) + met[-1] - met)
    threshold = np.clip(likeliest[expected.argmax()], -_SUREST, _SUREST)
    return np.asarray(logits - threshold, np.float32)
