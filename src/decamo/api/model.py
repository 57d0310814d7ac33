"""A trained network in Python: ``decamo.load(...)``, ``model.predict(...)``."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from decamo.api.image_sources import listed, pixels_of
from decamo.api.prediction import ImageSource, Pixels, Prediction
from decamo.data.images_rule import rule_for_images
from decamo.data.inside import located
from decamo.data.reading import read_image
from decamo.data.rules import MAX_PIXELS
from decamo.errors import ModelError
from decamo.export.exported_predictor import is_exported, open_exported
from decamo.extras import heavy_imports, missing_extras
from decamo.inference.inputs import VideoItem, is_video
from decamo.inference.loaded import Loaded, Trained
from decamo.inference.views import MapMaker, Views
from decamo.mirror import local_checkpoint

if TYPE_CHECKING:  # torch: decisions/0007
    from decamo.api.sharing import EvaluatedScores
    from decamo.export.writing import ExportResult

__all__ = ["Model", "complain", "load"]


class Model:
    """A trained network that is ready to predict; made by :func:`load`.

    Attributes:
        path: of the checkpoint, or of the exported file.
        trained: its training size, its epoch, and what it was trained on.
        predictor: what makes maps of arrays.
        max_pixels: the largest image that is decoded.
    """

    def __init__(
        self,
        path: Path,
        trained: Trained,
        predictor: MapMaker,
        max_pixels: int = MAX_PIXELS,
        network: str = "",
    ) -> None:
        self.path, self.trained, self.predictor = path, trained, predictor
        self.max_pixels, self._network = max_pixels, network

    def __repr__(self) -> str:
        where = f"{self.trained.weights} weights of epoch {self.trained.epoch}"
        return f"Model({str(self.path)!r}: {where}, at {self.predictor.size} px)"

    @property
    def loaded(self) -> Loaded:
        """The network itself, with what is known of its training.

        Raises:
            ModelError: it was exported, so that there is a graph and no network.
        """
        if isinstance(self.trained, Loaded):
            return self.trained
        raise ModelError(
            self.path,
            "an exported network, without layers and weights to look at",
            "load the checkpoint that it was made from",
        )

    def score_options(self) -> dict[str, Any]:
        """Options of :func:`decamo.evaluate` under which it is scored as it predicts."""
        by, views = self.predictor, self.predictor.views
        names = {"torch.float16": "fp16", "torch.bfloat16": "bf16"}
        return {
            "device": str(by.device),
            "precision": "fp32" if by.dtype is None else names[str(by.dtype)],
            "img_size": by.size,
            "flips": views.flips,
            "scales": tuple(views.scales),
            "look_closer": views.closer,
            "decide": by.decision,
            "network": self._network,
            "max_pixels": self.max_pixels,
        }

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        name: str = "",
        license: str = "",
        scores: "EvaluatedScores | str | Path | None" = None,
    ) -> Path:
        """Write the network for others: ``model.safetensors``, ``config.json``, a model card.

        Args:
            folder: made where it is missing.
            name: of the model, for its card (default: the folder's).
            license: identifier such as ``apache-2.0``, for its card; not stated where empty.
            scores: of this network, for its card: what :func:`decamo.evaluate` returned, or the
                file of ``decamo evaluate --json``.

        Returns:
            the folder, which :func:`decamo.load` takes.

        Raises:
            DataError: the file of scores cannot be read.
            SettingsError: the scores are of another network, or the license is no identifier.
            StorageError: a file cannot be written.

        Example:
            >>> folder = decamo.load(checkpoint).save_pretrained("shared", license="apache-2.0")
            >>> decamo.load(folder).predict(photo).mask.dtype
            dtype('bool')
        """
        # torch, the hub's client: decisions/0007
        from decamo.api.sharing import Sharing

        home = Path(folder)
        return Sharing(self.loaded, self.path, license, scores).save(home, name or home.name)

    def push_to_hub(
        self,
        repository: str,
        *,
        private: bool = False,
        token: str | None = None,
        commit_message: str = "",
        license: str = "",
        scores: "EvaluatedScores | str | Path | None" = None,
    ) -> str:
        """Put the network on the Hugging Face hub, as :meth:`save_pretrained` writes it.

        Args:
            repository: ``user/name``, made where it is missing; ``user/name@branch`` for a branch
                that is there. It gets one commit.
            private: whether others are kept out of a model that is made now; an existing public
                one is then refused.
            token: of the hub (default: that of ``hf auth login``, or ``HF_TOKEN``).
            commit_message: what the hub's history says.
            license: as for :meth:`save_pretrained`.
            scores: likewise.

        Returns:
            ``hf://user/name@COMMIT``, which :func:`decamo.load` takes.

        Raises:
            HubError: there is no token, the hub cannot be reached within seconds, or it refuses.
            SettingsError: it is no name of a model; or as :meth:`save_pretrained`.
        """
        # torch, the hub's client: decisions/0007
        from decamo.api.sharing import Sharing

        shared = Sharing(self.loaded, self.path, license, scores)
        return shared.push(repository, private=private, token=token, message=commit_message)

    def export(self, path: str | Path, **options: Any) -> "ExportResult":
        """Write the network for another runtime, once its maps have been compared with torch's.

        Args:
            path: ``.onnx``, or ``.xml`` for OpenVINO (its weights go to ``.bin`` beside it);
                :func:`decamo.load` takes either where no torch is installed.
            options: ``images`` (a folder) or ``dataset_path`` to compare with, else procedural
                scenes; ``compare``, at most so many of them; ``int8`` to quantize, ``int8_anyway``.

        Returns:
            what was written and compared; prints as ``decamo export`` does.

        Raises:
            ExportError: an operator of the network has no ONNX form, or a probability differs by
                more than 1e-4; nothing is written.
            MissingExtra: onnx or the runtime is not installed.
            SettingsError: an option cannot be meant.
            StorageError: the file cannot be written.

        Example:
            >>> made = decamo.load(checkpoint, device="cpu").export("model.onnx")
            >>> made.description.parity.largest < 1e-4
            True
            >>> decamo.load("model.onnx").predict(photo).mask.dtype
            dtype('bool')
        """
        loaded = self.loaded
        with missing_extras():
            # torch, onnx: decisions/0007
            from decamo.api.exporting import ExportRequest, export_network

        paths = {k: Path(options.pop(k)) for k in ("images", "dataset_path") if options.get(k)}
        return export_network(loaded, self.path, Path(path), ExportRequest(**options | paths))

    # A path is an iterable of characters and an array one of rows: the overloads overlap.
    @overload
    def predict(self, images: Pixels) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(  # type: ignore[overload-overlap]
        self, images: str | Path
    ) -> Prediction | Iterator[Prediction]: ...
    @overload
    def predict(self, images: Iterable[ImageSource]) -> Iterator[Prediction]: ...

    def predict(
        self, images: ImageSource | Iterable[ImageSource]
    ) -> "Prediction | Iterator[Prediction]":
        """Find the camouflaged object in one image, or in several one after the other.

        Args:
            images: one image, or a list of them; a folder (with all below it) and a pattern such
                as ``photos/*.jpg`` are lists of files; a zip is a folder. A video is a list of its
                frames, of which one is held at a time (``pip install 'decamo[video]'``).

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
            path = located(images)
            if path.is_file() and is_video(path):
                return self._frames(path)
            if path.is_file():
                return next(self._files([path]))
            return self._each(listed(str(images)))
        if isinstance(images, Image.Image | np.ndarray):
            return self._pixels(images)
        return self._each(images)

    def _each(self, images: Iterable[ImageSource]) -> Iterator[Prediction]:
        """Of each in turn; files are read by one rule, as those of a folder are."""
        every = list(images)
        paths = [located(one) for one in every if isinstance(one, str | Path)]
        found = self._files([path for path in paths if not is_video(path)])
        for one in every:
            if not isinstance(one, str | Path):
                yield self._pixels(one)
            elif is_video(Path(one)):
                yield from self._frames(located(one))
            else:
                yield next(found)

    def _frames(self, path: Path) -> Iterator[Prediction]:
        """Of each frame of a video, as it is asked for."""
        with missing_extras():
            # PyAV: decisions/0007
            from decamo.inference.video_reader import VideoReader

        with VideoReader(VideoItem(path, path), complain) as reader:
            for frame in reader:
                (probability,) = self.predictor.predict([frame.image])
                yield Prediction(frame.image, probability, path, frame.number, frame.time_s)

    def _files(self, files: Sequence[Path]) -> Iterator[Prediction]:
        rule = rule_for_images(files, self.trained.rules, max_pixels=self.max_pixels).rule
        for path in files:
            image = read_image(path, rule=rule)
            yield Prediction(image, self.predictor.predict([image])[0], path)

    def _pixels(self, pixels: Image.Image | npt.NDArray[np.uint8]) -> Prediction:
        image = pixels_of(pixels)
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
            ``hf://USER/NAME`` for such a folder on the Hugging Face hub; or a ``.onnx`` or
            OpenVINO ``.xml`` file that :meth:`Model.export` wrote, for which no torch is needed.
            Any of these at an address such as ``s3://BUCKET/runs/x/best_model.pth`` too
            (``pip install 'decamo[remote]'``).
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
    checkpoint = local_checkpoint(checkpoint)
    if is_exported(checkpoint):
        path = Path(checkpoint)
        trained, predictor = open_exported(
            path, device=device, precision=precision, img_size=img_size, views=views, decide=decide
        )
        return Model(path, trained, predictor, max_pixels)
    with missing_extras(), heavy_imports():
        # torch: decisions/0007
        from decamo.api.open_checkpoint import open_checkpoint

    opened = open_checkpoint(
        checkpoint,
        device=device,
        precision=precision,
        img_size=img_size,
        views=views,
        decide=decide,
        network=network,
    )
    return Model(opened.path, opened.loaded, opened.predictor, max_pixels, network)


def complain(line: str) -> None:
    """Say a line beside what a program prints."""
    sys.stderr.write(f"decamo: {line}\n")
