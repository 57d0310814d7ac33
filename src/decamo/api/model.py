"""A trained network in Python: ``decamo.load(...)``, ``model.predict(...)``."""

import base64
import glob
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps

from decamo.data.deciding import rule_for_images
from decamo.data.normalize import to_rgb
from decamo.data.reading import read_image
from decamo.data.rules import MAX_PIXELS
from decamo.errors import DataError
from decamo.inference.inputs import images_under
from decamo.inference.load_model import load_model
from decamo.inference.loaded import Loaded
from decamo.inference.predictor import Predictor
from decamo.inference.pretrained_folder import HUB, from_hub, save_folder
from decamo.inference.tta import Views
from decamo.inference.writer import overlay, write_overlay, write_probability
from decamo.metrics import THRESHOLD
from decamo.nn.build import check_sizes
from decamo.storage import make_folder
from decamo.training.runtime import open_runtime

__all__ = ["ImageSource", "Model", "Prediction", "load", "predict"]

ImageSource = str | Path | Image.Image | npt.NDArray[np.uint8]
"""One image: the path of a file, a PIL image, or RGB uint8 ``[H, W, 3]``."""

_PREVIEW = 640  # px of the longer side in a notebook


@dataclass(frozen=True)
class Prediction:
    """What a network found in one image; shows itself in a notebook.

    Attributes:
        image: uint8 ``[H, W, 3]``, RGB, as displayed.
        probability: float32 ``[H, W]`` in [0, 1], that a pixel belongs to a camouflaged object.
        source: the image's file; None where it came as pixels.

    Example:
        >>> found = decamo.load(checkpoint).predict(photo)
        >>> found.mask.shape == found.image.shape[:2]
        True
        >>> [path.name for path in found.save("maps")]
        ['photo.png', 'photo_overlay.png']
    """

    image: npt.NDArray[np.uint8]
    probability: npt.NDArray[np.float32]
    source: Path | None = None

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Bool ``[H, W]``: what is more likely object than ground."""
        return self.probability >= THRESHOLD

    @property
    def object_share(self) -> float:
        """Share of the image's pixels that are object, in [0, 1]."""
        return float(self.mask.mean())

    def overlay(self) -> Image.Image:
        """The image with the object in orange."""
        return Image.fromarray(overlay(self.image, self.probability))

    def save(self, folder: str | Path, name: str = "") -> tuple[Path, Path]:
        """Write the map and the overlay as PNG.

        Args:
            folder: made where it is missing.
            name: of the files without extension (default: the image's own, else ``prediction``).

        Returns:
            ``NAME.png``, grey, 0 is ground and 255 is object, and ``NAME_overlay.png``.

        Raises:
            StorageError: a file cannot be written.
        """
        name = name or (self.source.stem if self.source else "prediction")
        home = Path(folder)
        make_folder(home)
        paths = home / f"{name}.png", home / f"{name}_overlay.png"
        write_probability(paths[0], self.probability)
        write_overlay(paths[1], self.image, self.probability)
        return paths

    def _repr_html_(self) -> str:
        picture = self.overlay()
        picture.thumbnail((_PREVIEW, _PREVIEW))
        out = io.BytesIO()
        picture.save(out, "PNG")
        data = base64.b64encode(out.getvalue()).decode()
        height, width = self.probability.shape
        words = f"{width} x {height} px, {self.object_share:.1%} object"
        return (
            f'<figure><img src="data:image/png;base64,{data}">'
            f"<figcaption>{words}</figcaption></figure>"
        )


class Model:
    """A trained network that is ready to predict; made by :func:`load`.

    Attributes:
        path: of the checkpoint.
        loaded: the network, its training size, its epoch, and what it was trained on.
        predictor: what makes maps of arrays.
    """

    def __init__(
        self,
        path: Path,
        loaded: Loaded,
        predictor: Predictor,
        max_pixels: int = MAX_PIXELS,
        network: str = "",
    ) -> None:
        self.path, self.loaded, self.predictor = path, loaded, predictor
        self._max_pixels, self._network = max_pixels, network

    def __repr__(self) -> str:
        where = f"{self.loaded.weights} weights of epoch {self.loaded.epoch}"
        return f"Model({str(self.path)!r}: {where}, at {self.predictor.size} px)"

    def score_options(self) -> dict[str, Any]:
        """Options of :func:`decamo.evaluate` under which it is scored as it predicts."""
        by, views = self.predictor, self.predictor.views
        names = {torch.float16: "fp16", torch.bfloat16: "bf16"}
        return {
            "device": str(by.device),
            "precision": "fp32" if by.dtype is None else names[by.dtype],
            "img_size": by.size,
            "flips": views.flips,
            "scales": tuple(views.scales),
            "look_closer": views.closer,
            "decide": by.decision,
            "network": self._network,
            "max_pixels": self._max_pixels,
        }

    def save_pretrained(self, folder: str | Path, *, name: str = "", licence: str = "") -> Path:
        """Write the network for others: ``model.safetensors``, ``config.json``, a model card.

        Args:
            folder: made where it is missing.
            name: of the model, for its card (default: the folder's).
            licence: identifier such as ``apache-2.0``, for its card; not stated where empty.

        Returns:
            the folder, which :func:`decamo.load` takes.

        Raises:
            StorageError: a file cannot be written.

        Example:
            >>> folder = decamo.load(checkpoint).save_pretrained("shared", licence="apache-2.0")
            >>> decamo.load(folder).predict(photo).mask.dtype
            dtype('bool')
        """
        home = Path(folder)
        save_folder(self.loaded, home, name=name or home.name, licence=licence, source=self.path)
        return home

    def predict(
        self, images: ImageSource | Iterable[ImageSource]
    ) -> "Prediction | Iterator[Prediction]":
        """Find the camouflaged object in one image, or in several one after the other.

        Args:
            images: one image, or a list of them; a folder (with all below it) and a pattern such
                as ``photos/*.jpg`` are lists of files.

        Returns:
            a :class:`Prediction` of one image; of several an iterator, in their order.

        Raises:
            DataError: nothing of that name, an array of another shape or type.
            UnreadableImage: a file is no image; raised when the iterator comes to it.

        Example:
            >>> model = decamo.load(checkpoint)
            >>> model.predict(photo).probability.dtype
            dtype('float32')
            >>> sum(1 for _ in model.predict([photo, photo]))
            2
        """
        if isinstance(images, str | Path):
            path = Path(images)
            if path.is_file():
                return next(self._files([path]))
            return self._files(_listed(str(images)))
        if isinstance(images, Image.Image | np.ndarray):
            return self._pixels(images)
        return self._each(images)

    def _each(self, images: Iterable[ImageSource]) -> Iterator[Prediction]:
        """Of each in turn; files are read by one rule, as those of a folder are."""
        every = list(images)
        files = [Path(one) for one in every if isinstance(one, str | Path)]
        found = self._files(files)
        for one in every:
            yield next(found) if isinstance(one, str | Path) else self._pixels(one)

    def _files(self, files: Sequence[Path]) -> Iterator[Prediction]:
        rule = rule_for_images(files, self.loaded.rules, max_pixels=self._max_pixels).rule
        for path in files:
            image = read_image(path, rule=rule)
            yield Prediction(image, self.predictor.predict([image])[0], path)

    def _pixels(self, pixels: Image.Image | npt.NDArray[np.uint8]) -> Prediction:
        if isinstance(pixels, Image.Image):
            image = to_rgb(ImageOps.exif_transpose(pixels))
        else:
            image = np.require(pixels, requirements=["C", "W"])  # torch takes no other
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
                shape = "x".join(str(side) for side in image.shape)
                raise DataError(
                    "image", f"got {image.dtype} {shape}", "give uint8 H x W x 3, in RGB order"
                )
        return Prediction(image, self.predictor.predict([image])[0])


def load(
    checkpoint: str | Path,
    *,
    device: str = "auto",
    precision: str = "fp32",
    img_size: int | None = None,
    views: Views = Views(),  # noqa: B008 - frozen
    decide: str = "half",
    max_pixels: int = MAX_PIXELS,
    network: str = "",
) -> Model:
    """Load a trained network.

    Args:
        checkpoint: such as ``best_model.pth``; a folder that :meth:`Model.save_pretrained` wrote;
            or ``hf://USER/NAME`` for such a folder on the Hugging Face hub.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``bf16``.
        img_size: px that the network sees (default: as trained).
        views: of each image, whose maps are averaged; see :class:`decamo.Views`.
        decide: ``half``, or ``iou`` for maps moved to the region of the best expected IoU.
        max_pixels: the largest image that is decoded.
        network: ``FILE.py:FUNCTION``, where the checkpoint's network comes from a file: a
            checkpoint brings no code. The file is run. Other networks need no naming.

    Raises:
        CheckpointError: the file is missing, damaged, or no checkpoint of ``decamo train``.
        SettingsError: the size, the device or a view is not possible.

    Example:
        >>> decamo.load(checkpoint).predict(photo).object_share <= 1
        True
    """
    path = from_hub(str(checkpoint)) if str(checkpoint).startswith(HUB) else Path(checkpoint)
    loaded = load_model(path, network)
    for note in loaded.model.notes():
        if note.startswith("warning: "):
            sys.stderr.write(f"decamo: {note}\n")
    size = loaded.img_size if img_size is None else img_size
    check_sizes(loaded.model, [size], views.scales)
    runtime = open_runtime(device, precision)
    loaded.model.to(runtime.device)
    predictor = Predictor(loaded.model, size, runtime.device, runtime.dtype, views, decide)
    return Model(path, loaded, predictor, max_pixels, network)


def predict(
    checkpoint: str | Path, images: ImageSource | Iterable[ImageSource], **how: Any
) -> Prediction | Iterator[Prediction]:
    """Load a network and predict: :meth:`Model.predict` of :func:`load`.

    Args:
        checkpoint: such as ``best_model.pth``.
        images: one image, several, a folder or a pattern.
        how: arguments of :func:`load`.

    Example:
        >>> decamo.predict(checkpoint, photo, device="cpu").mask.dtype
        dtype('bool')
    """
    return load(checkpoint, **how).predict(images)


def _listed(name: str) -> list[Path]:
    """The images of a folder or of a pattern, in order."""
    path = Path(name)
    if path.is_dir():
        return images_under(path)
    files = [Path(one) for one in sorted(glob.glob(name, recursive=True))]  # noqa: PTH207
    if not files:
        raise DataError(name, "no such image, folder or pattern", "check its spelling")
    return files
