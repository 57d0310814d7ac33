"""What an exported file says of itself."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from decamo.errors import CheckpointForeign, SettingsError
from decamo.inference.loaded import Trained

__all__ = [
    "IMAGE",
    "KEY",
    "LOGITS",
    "PROBABILITY",
    "Callers",
    "ExportDescription",
    "ExportTarget",
    "Graph",
    "Int8",
    "Judged",
    "Parity",
    "target_of",
    "unreadable",
]

KEY = "decamo"
"""Under which the description stands in ``metadata_props`` (ONNX) or ``rt_info`` (OpenVINO)."""

IMAGE, LOGITS, PROBABILITY = "image", "logits", "probability"
"""Names of the graph's input and of its outputs."""

Graph = Callable[[npt.NDArray[np.uint8], str], npt.NDArray[np.float32]]
"""Images uint8 ``[N,3,H,W]`` and the name of an output -> float32 ``[N,1,H,W]``."""


@dataclass(frozen=True)
class Callers:
    """Threads that call a graph at the same time.

    Attributes:
        number: of them.
        threads_of_each: that the graph computes with for one of them; 0 leaves it to the runtime.
    """

    number: int = 1
    threads_of_each: int = 0


_FORMAT = 1
_REMEDY = "name a file that decamo export wrote"


class ExportTarget(StrEnum):
    """What a network is exported to."""

    ONNX = "onnx"
    OPENVINO = "openvino"
    SAFETENSORS = "safetensors"


_SUFFIX = {ExportTarget.ONNX: ".onnx", ExportTarget.OPENVINO: ".xml", ExportTarget.SAFETENSORS: ""}


def target_of(path: Path, to: str = "") -> ExportTarget:
    """What a file is to be by ``to``, else by its name; a name without suffix is a folder.

    Raises:
        SettingsError: the two contradict each other, or there is no such target.
    """
    by_name = {suffix: target for target, suffix in _SUFFIX.items()}
    found = by_name.get(path.suffix.lower()) if path.name else None
    known = ", ".join(ExportTarget)
    if to and to not in tuple(ExportTarget):
        raise SettingsError("--to", f"got {to}", f"choose from {known}")
    if to and found in (None, ExportTarget(to)):
        return ExportTarget(to)
    if found is None or to:
        got = f"{path} is no name for {to}" if to else f"{path} does not say what it is to be"
        raise SettingsError(
            "--out", got, "end it in .onnx or .xml, or name a folder for safetensors"
        )
    return found


@dataclass(frozen=True)
class Parity:
    """How near the exported network's maps are to torch's.

    Attributes:
        largest: largest difference of a probability.
        maps: largest difference of a probability in maps at native size.
        images: that were compared at native size.
        sizes: heights and widths in px that the graph was compared at.
        batches: batch sizes that it was compared at.
        source: what the images are.
    """

    largest: float
    maps: float
    images: int
    sizes: tuple[tuple[int, int], ...]
    batches: tuple[int, ...]
    source: str


@dataclass(frozen=True)
class Judged:
    """An image with its mask.

    Attributes:
        image: RGB uint8 ``[H, W, 3]``.
        mask: bool ``[H, W]``.
        void: bool ``[H, W]``, what counts in no score; or None.
    """

    image: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_]
    void: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Int8:
    """What quantization to 8 bits costs and brings, as measured at the export.

    Attributes:
        iou_loss: mean IoU before less mean IoU after.
        worst_loss: largest loss of one image.
        speed: time of a forward pass before, divided by the time after.
        calibrated_on: images that the ranges were taken from.
        measured_on: images that the loss was measured on.
    """

    iou_loss: float
    worst_loss: float
    speed: float
    calibrated_on: int
    measured_on: int


@dataclass(frozen=True)
class ExportDescription:
    """What whoever runs an exported network must know.

    Attributes:
        network: what it is, for people.
        trained: how it was trained; its size is the default one.
        checkpoint: SHA-256 of the file that it was made from, in hex.
        least_side: smallest height and width of an image, in px.
        most_side: greatest height and width, in px.
        multiple: heights and widths are multiples of it, in px.
        threshold: from which probability on a pixel is object.
        decamo: version that wrote it.
        parity: how near it is to torch.
        int8: what quantization costs; None where the weights are float32.
        input: what the graph takes.
        outputs: what the graph gives.
        resize: how an image becomes its input, and logits a map.
    """

    network: str
    trained: Trained
    checkpoint: str
    least_side: int
    most_side: int
    multiple: int
    threshold: float
    decamo: str
    parity: Parity | None = None
    int8: Int8 | None = None
    input: str = "image: uint8 [N,3,H,W], RGB"
    outputs: str = "logits, probability: float32 [N,1,H,W]"
    resize: str = (
        "to a square, bilinear with antialiasing in 8 bits; logits back to the native size,"
        " bilinear with antialiasing, then the sigmoid"
    )

    @property
    def dynamic(self) -> bool:
        """Whether it takes images of several sizes."""
        return self.least_side < self.most_side

    def check_size(self, size: int) -> None:
        """Look whether it takes squares of ``size`` px.

        Raises:
            SettingsError: it does not.
        """
        if not self.least_side <= size <= self.most_side or size % self.multiple:
            fits = f"{self.least_side} px"
            if self.dynamic:
                fits = f"multiples of {self.multiple} from {fits} to {self.most_side} px"
            raise SettingsError("--img-size", f"got {size}", f"the exported network takes {fits}")

    def to_json(self) -> str:
        """One line of JSON."""
        plain = asdict(self) | {"format": _FORMAT, "trained": self.trained.to_plain()}
        return json.dumps(plain)

    @staticmethod
    def from_json(text: str | None, path: Path) -> "ExportDescription":
        """The inverse of :meth:`to_json`.

        Args:
            text: that was found in a file; None for none.
            path: of the file, for the error.

        Raises:
            CheckpointForeign: it is not the description of an exported network.
        """
        if text is None:
            raise CheckpointForeign(path, "it does not say how images are to be given", _REMEDY)
        try:
            plain = json.loads(text)
            if plain.pop("format") != _FORMAT:
                raise ValueError("written by a later version of decamo")
            return ExportDescription(
                **plain
                | {
                    "trained": Trained.from_plain(plain["trained"]),
                    "parity": _parity(plain["parity"]),
                    "int8": None if plain["int8"] is None else Int8(**plain["int8"]),
                }
            )
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise CheckpointForeign(
                path, f"its description cannot be read ({error})", _REMEDY
            ) from error


def _parity(plain: Mapping[str, Any] | None) -> Parity | None:
    if plain is None:
        return None
    sizes = tuple((int(height), int(width)) for height, width in plain["sizes"])
    return Parity(**{**plain, "sizes": sizes, "batches": tuple(plain["batches"])})


def unreadable(path: Path, what: str, error: Exception) -> CheckpointForeign:
    """The error of a file that a runtime does not take."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return CheckpointForeign(path, f"not {what} ({reason:.160})", "export the network again")
