"""A network as a file of another runtime, written once it has been compared with torch."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx.helper import set_model_props

from decamo import __version__
from decamo.errors import SettingsError
from decamo.export.description import KEY, ExportDescription, ExportTarget, Judged
from decamo.export.exported_predictor import open_graph
from decamo.export.graph import trace
from decamo.export.parity import compared
from decamo.extras import missing_extras
from decamo.inference.loaded import Loaded
from decamo.inference.pretrained_folder import WEIGHTS
from decamo.metrics import THRESHOLD
from decamo.nn import STRIDES
from decamo.storage.outputs import write_output

__all__ = ["ExportResult", "Quantization", "write_export"]

_MB = 1e6


@dataclass(frozen=True)
class Quantization:
    """That the weights are to be of 8 bits.

    Attributes:
        calibration: images that the ranges are taken from, RGB uint8 ``[H, W, 3]``.
        cases: other images, on which the loss is measured.
        anyway: write it also where it loses too much or is not faster.
    """

    calibration: Sequence[npt.NDArray[np.uint8]]
    cases: Sequence[Judged]
    anyway: bool = False


@dataclass(frozen=True)
class ExportResult:
    """An exported network; prints what was compared.

    Attributes:
        path: of the file.
        target: what it is.
        description: that the file holds.
        size: of all its files, in bytes.
        notes: what else is to be known.
    """

    path: Path
    target: ExportTarget
    description: ExportDescription
    size: int
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        held, parity, int8 = self.description, self.description.parity, self.description.int8
        sides = f"{held.least_side} px"
        if held.dynamic:
            sides = f"multiples of {held.multiple} from {sides} to {held.most_side} px"
        lines = [
            f"{self.path}: {held.network}, {held.trained.weights} weights of epoch"
            f" {held.trained.epoch}, {self.size / _MB:.1f} MB",
            f"takes uint8 RGB [N,3,H,W] of any N; H and W {sides}; trained at"
            f" {held.trained.img_size} px",
        ]
        if parity is not None:
            sizes = ", ".join(f"{height}x{width}" for height, width in parity.sizes)
            batches = " and ".join(map(str, parity.batches))
            lines.append(
                f"largest difference of a probability: {parity.largest:.1e} at {sizes} px"
                f" in batches of {batches}; {parity.maps:.1e} in maps of {parity.images}"
                f" {parity.source} at native size"
            )
        if int8 is not None:
            lines.append(
                f"8 bits: {int8.iou_loss:+.4f} IoU lost on {int8.measured_on} images (worst"
                f" {int8.worst_loss:+.3f}), {int8.speed:.2f} times as fast here; ranges from"
                f" {int8.calibrated_on} others"
            )
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def to_plain(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        held = asdict(self.description) | {"trained": self.description.trained.to_plain()}
        held["trained"].pop("images")  # their digests are in the file
        plain = {"path": str(self.path), "to": self.target.value, "bytes": self.size}
        return plain | {"description": held, "notes": list(self.notes)}


def write_export(
    loaded: Loaded,
    path: Path,
    target: ExportTarget,
    *,
    source: Path,
    images: Sequence[npt.NDArray[np.uint8]],
    images_are: str,
    quantization: Quantization | None = None,
) -> ExportResult:
    """Trace a network, compare it with torch, and write it; nothing is written where it differs.

    Args:
        loaded: on the CPU.
        path: of the file.
        target: ``ONNX`` or ``OPENVINO``.
        source: checkpoint or folder that it was loaded from, for its digest.
        images: to compare with, RGB uint8 ``[H, W, 3]``; at least one.
        images_are: what they are, for people.
        quantization: to 8 bits; ONNX alone.

    Raises:
        ExportError: an operator has no ONNX form, or the exported network gives other maps.
        MissingExtra: the runtime is not installed.
        SettingsError: OpenVINO with quantization.
        StorageError: it cannot be written.
    """
    if quantization is not None and target is not ExportTarget.ONNX:
        raise SettingsError("--int8", f"got --to {target}", "quantization goes with --to onnx")
    traced = trace(loaded.model, loaded.img_size)
    described = ExportDescription(
        network=loaded.model.title,
        trained=loaded,
        checkpoint=_digest(source),
        least_side=traced.least_side,
        most_side=traced.most_side,
        multiple=STRIDES[-1],
        threshold=THRESHOLD,
        decamo=__version__,
    )
    with tempfile.TemporaryDirectory(prefix="decamo-export-") as folder:
        work = _Work(Path(folder), target)
        graph, _ = open_graph(work.put(traced.model, described))
        parity = compared(loaded.model, graph, described, images, images_are)
        described = replace(described, parity=parity)
        model = traced.model
        if quantization is not None:
            # onnxruntime's tools, for 8 bits alone: decisions/0007
            from decamo.export.quantize import insist_on_use, quantization_cost, quantized

            size, ranges = loaded.img_size, quantization.calibration
            quantized(work.onnx, work.int8, ranges, size)
            model = onnx.load(work.int8)
            after, _ = open_graph(work.put(model, described))
            found = quantization_cost(graph, after, quantization.cases, size, len(ranges))
            if not quantization.anyway:
                insist_on_use(found)
            described = replace(described, int8=found)
        files = work.finished(model, described)
        for made, end in files:
            write_output(path.with_suffix(end), made.read_bytes())
        total = sum(made.stat().st_size for made, _ in files)
    notes = (f"height and width are fixed: {traced.note}",) if traced.note else ()
    return ExportResult(path, target, described, total, notes)


class _Work:
    """Files that are compared before they are given a name."""

    def __init__(self, folder: Path, target: ExportTarget) -> None:
        self.onnx, self.int8 = folder / "model.onnx", folder / "int8.onnx"
        self._xml = folder / "model.xml"
        self._target = target

    def put(self, model: onnx.ModelProto, described: ExportDescription) -> Path:
        """Write a graph with its description; returns what a runtime opens."""
        set_model_props(model, {KEY: described.to_json()})
        onnx.save(model, self.onnx)
        if self._target is ExportTarget.ONNX:
            return self.onnx
        with missing_extras():
            # OpenVINO, for its own files alone: decisions/0007
            from decamo.export.openvino_graph import to_openvino

        to_openvino(self.onnx, self._xml, described.to_json())
        return self._xml

    def finished(
        self, model: onnx.ModelProto, described: ExportDescription
    ) -> list[tuple[Path, str]]:
        """The files with all that is known at the end, each with its ending."""
        made = self.put(model, described)
        if self._target is ExportTarget.ONNX:
            return [(made, made.suffix)]
        return [(made.with_suffix(".bin"), ".bin"), (made, made.suffix)]


def _digest(source: Path) -> str:
    file = source / WEIGHTS if source.is_dir() else source
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
