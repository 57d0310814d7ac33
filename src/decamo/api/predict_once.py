"""Load a network and predict, in one call: here, or by workers of a cluster."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from decamo.api.image_sources import listed, pixels_of
from decamo.api.model import Model, complain, load
from decamo.api.prediction import ImageSource, Prediction
from decamo.api.remote_network import (
    RemoteNetwork,
    network_files,
    remote_network,
    some_files,
    threads_of,
)
from decamo.cluster.place import hired
from decamo.cluster.worker_crew import (
    BlockWork,
    Needs,
    Workers,
    block_size,
    loaded_here,
    workers_of,
)
from decamo.data.images_rule import rule_for_images
from decamo.data.inside import located
from decamo.data.reading import read_image
from decamo.data.rules import ReadingRule
from decamo.errors import SettingsError, UnreadableImage
from decamo.export.exported_predictor import is_exported
from decamo.inference.inputs import is_video

__all__ = ["predict"]

_Pixels = npt.NDArray[np.uint8]
_Source = Path | _Pixels
_Made = Prediction | UnreadableImage


def predict(
    checkpoint: str | Path,
    images: ImageSource | Iterable[ImageSource],
    *,
    on: str | None = None,
    workers: int | None = None,
    cpus_per_worker: float | None = None,
    gpus_per_worker: float | None = None,
    **how: Any,
) -> Prediction | Iterator[Prediction]:
    """Load a network and predict: :meth:`decamo.Model.predict` of :func:`decamo.load`.

    Args:
        checkpoint: such as ``best_model.pth``.
        images: one image, several, a folder or a pattern.
        on: ``ray`` or ``ray:ADDRESS``: workers of a cluster predict, which see the files by the
            same paths; the results are the same, and in the same order. They end with the iterator.
        workers: how many there; None for as many as there is room and work for.
        cpus_per_worker: cores that each reserves; None for as many as it has threads.
        gpus_per_worker: GPUs likewise; None for one where the cluster has any.
        how: arguments of :func:`decamo.load`.

    Raises:
        DecamoError: as of :meth:`decamo.Model.predict`; the cluster cannot be used.

    Example:
        >>> decamo.predict(checkpoint, photo, device="cpu").mask.dtype
        dtype('bool')
    """
    asked = how.get("device", "auto"), how.get("precision", "fp32")
    wanted = workers_of(
        on, count=workers, cpus=cpus_per_worker, gpus=gpus_per_worker, device=asked[0],
        precision=asked[1],
    )  # fmt: skip
    if wanted is None:
        if workers is not None:
            raise SettingsError("--workers", "there is no --on", 'say where: on="ray"')
        return load(checkpoint, **how).predict(images)
    device, precision = loaded_here(wanted, *asked)
    model = load(checkpoint, **how | {"device": device, "precision": precision})
    sources, alone = _sources(images)
    made = _there(model, sources, wanted)
    if not alone:
        return made
    with closing(made):
        return next(made)


def _sources(images: ImageSource | Iterable[ImageSource]) -> tuple[list[_Source], bool]:
    """Files and pixels, in order, and whether it was one image that was given."""
    if isinstance(images, str | Path):
        path = located(images)
        found: list[_Source] = [path] if path.is_file() else [*listed(str(images))]
        return _no_video(found), path.is_file()
    if isinstance(images, Image.Image | np.ndarray):
        return [pixels_of(images)], True
    each = (located(one) if isinstance(one, str | Path) else pixels_of(one) for one in images)
    return _no_video(list(each)), False


def _no_video(sources: list[_Source]) -> list[_Source]:
    for one in sources:
        if isinstance(one, Path) and is_video(one):
            got = f"{one} is a video, whose frames are one after the other"
            raise SettingsError("--on", got, "leave it out, or name images alone")
    return sources


def _there(model: Model, sources: Sequence[_Source], wanted: Workers) -> Generator[Prediction]:
    files = [one for one in sources if isinstance(one, Path)]
    rule = rule_for_images(files, model.trained.rules, max_pixels=model.max_pixels).rule
    reads = [*network_files(model), *some_files(files)]
    needs = Needs(reads, None, threads_of(model), gpus=not is_exported(model.path))
    with hired(wanted, needs, complain) as crew:
        work = _RemotePixels(remote_network(model, crew.device, wanted.precision), rule)
        size = block_size(len(sources), crew.count)
        found = crew.results(
            work, sources, total=len(sources), block=size, ordered=True, heed=lambda: None
        )
        with closing(found):
            for source, made in zip(sources, found, strict=True):
                if isinstance(made, Prediction):
                    yield made
                    continue
                if isinstance(source, Path):
                    read_image(source, rule=rule)  # raises what it would have raised here
                got = f"a worker cannot read what this machine can: {made}"
                raise SettingsError("--on", got, "name a path that all nodes share")


@dataclass(frozen=True)
class _RemotePixels(BlockWork[_Source, _Made]):
    """What a worker does: pictures and maps go back whole."""

    network: RemoteNetwork
    rule: ReadingRule

    def open(self) -> Callable[[Sequence[_Source], Callable[[str], None]], Sequence[_Made]]:
        model = self.network.load()

        def made(block: Sequence[_Source], _say: Callable[[str], None]) -> list[_Made]:
            return [self._one(model, source) for source in block]

        return made

    def _one(self, model: Model, source: _Source) -> _Made:
        if not isinstance(source, Path):
            return Prediction(source, model.predictor.predict([source])[0])
        try:
            image = read_image(source, rule=self.rule)
        except UnreadableImage as error:
            return error
        return Prediction(image, model.predictor.predict([image])[0], source)

    def name(self, item: _Source) -> str:
        return str(item) if isinstance(item, Path) else "an image without a file"
