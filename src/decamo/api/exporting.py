"""A trained network as a file that other runtimes take: what ``decamo export`` does."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from decamo.data.images_rule import ranges_of, rule_for_images
from decamo.data.layouts import find_pairs
from decamo.data.reading import read_image
from decamo.data.scenes import make_scene
from decamo.errors import DataError, SettingsError
from decamo.evaluation import Convention, read_truth, rule_sets, sets_of_pairs
from decamo.export.description import ExportTarget, Judged, target_of
from decamo.export.writing import ExportResult, Quantization, write_export
from decamo.inference.inputs import images_under
from decamo.inference.loaded import Loaded
from decamo.storage.outputs import Read, Written, check_outputs

__all__ = ["ExportRequest", "export_network"]

_CALIBRATION, _MEASURED = 32, 64  # images for ranges, and for the loss
_SMALLEST = 32  # px of a made-up scene
_SCENES = 6
_SEED = 0
# Native sizes of scenes, in shares of the network's: larger and smaller, lying and standing.
_SHAPES = ((1.0, 1.5), (1.5, 1.1), (0.7, 0.5), (0.6, 1.3), (1.0, 1.0), (1.9, 1.4))

_Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ExportRequest:
    """What is exported, and by which images it is compared; names as those of ``decamo export``.

    Attributes:
        to: ``onnx``, ``openvino`` or ``safetensors``; empty as the path says.
        images: folder of photographs to compare with.
        dataset_path: data set whose training images are compared with, where no folder is given.
        compare: most images that are compared at native size.
        int8: quantize to 8 bits, with ranges from training images of the data set.
        int8_anyway: also where that costs over 0.01 IoU, or is not faster here.
    """

    to: str = ""
    images: Path | None = None
    dataset_path: Path | None = None
    compare: int = 16
    int8: bool = False
    int8_anyway: bool = False


def export_network(
    loaded: Loaded, source: Path, path: Path, request: ExportRequest
) -> ExportResult:
    """Write a network for another runtime; see :meth:`decamo.Model.export`."""
    target = target_of(path, request.to)
    if target is ExportTarget.SAFETENSORS:
        raise SettingsError("--to", "safetensors is a folder", "use Model.save_pretrained")
    files = [path, path.with_suffix(".bin")] if target is ExportTarget.OPENVINO else [path]
    check_outputs([Read("CHECKPOINT", source)], [Written("--out", file) for file in files])
    if request.compare < 1:
        raise SettingsError("--compare", f"got {request.compare}", "give 1 or more")
    images, images_are = _images(loaded, request)
    return write_export(
        loaded,
        path,
        target,
        source=source,
        images=images,
        images_are=images_are,
        quantization=_quantization(loaded, request),
    )


def _images(loaded: Loaded, request: ExportRequest) -> tuple[list[_Image], str]:
    if request.images is not None:
        files = _spread(images_under(request.images), request.compare)
    elif request.dataset_path is not None:
        pairs = find_pairs([request.dataset_path], "train").pairs
        files = [pair.image for pair in _spread(pairs, request.compare)]
    else:
        return _scenes(loaded.img_size), "procedural scenes"
    rule = rule_for_images(files, loaded.rules).rule
    return [read_image(file, rule=rule) for file in files], "photographs"


def _scenes(size: int) -> list[_Image]:
    """Made-up photographs of several shapes."""
    found = []
    for index in range(_SCENES):
        height, width = (max(round(share * size), 1) for share in _SHAPES[index])
        image = make_scene(_SEED, index, max(height, width, _SMALLEST)).image
        found.append(np.ascontiguousarray(image[:height, :width]))
    return found


def _quantization(loaded: Loaded, request: ExportRequest) -> Quantization | None:
    if not request.int8:
        return None
    if request.dataset_path is None:
        raise SettingsError(
            "--int8", "there are no masks to measure its loss against", "give --dataset-path"
        )
    pairs = _spread(find_pairs([request.dataset_path], "train").pairs, _CALIBRATION + _MEASURED)
    ranges = ranges_of(loaded.rules)
    (cases,) = rule_sets(sets_of_pairs(pairs), images=True, ranges=ranges).sets[:1]
    read: list[Judged] = []
    for case in cases.cases:
        truth, image = read_truth(case, with_image=True)
        mask = truth.by(Convention.PLAIN)
        if image is not None and mask.any():
            read.append(Judged(image, mask, truth.void))
    third = len(read) // 3
    if not third:
        raise DataError(
            request.dataset_path, f"{len(read)} training images have an object", "give more"
        )
    # every third one for the ranges: neighbours in a data set are alike
    others = [one for i, one in enumerate(read) if i % 3]
    return Quantization([one.image for one in read[::3]], others, request.int8_anyway)


def _spread(every: Sequence[Any], count: int) -> list[Any]:
    """At most ``count`` of them, evenly from first to last."""
    if len(every) <= count:
        return list(every)
    places = np.linspace(0, len(every) - 1, count).round().astype(int)
    return [every[place] for place in places]
