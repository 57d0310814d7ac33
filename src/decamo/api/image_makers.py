"""Who predicts the images of a request: this process, or workers of a cluster."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from decamo.api.expert_sheets import expert_sheets
from decamo.api.image_work import ImageWork, MadeImage
from decamo.api.model import Model
from decamo.api.predict_request import PredictRequest
from decamo.api.remote_images import CrewImages, RemoteImages, staging_in
from decamo.api.remote_network import (
    network_files,
    precision_there,
    remote_network,
    some_files,
    threads_of,
)
from decamo.cluster.place import hired
from decamo.cluster.worker_crew import Needs
from decamo.data.images_rule import ImagesRule
from decamo.data.waiting import Ear
from decamo.export.exported_predictor import is_exported
from decamo.inference.inputs import Item
from decamo.system import cores

__all__ = ["ImageMaker", "image_maker"]

_MANY = 8  # images, from which on opening a network once more is worth its time
_LOOKERS = 4  # threads, each of which holds an image
_SHORT = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}


class ImageMaker(Protocol):
    """Predicts images and writes their pictures.

    Attributes:
        precision: ``fp32``, ``fp16`` or ``bf16``, which the maps are made with.
    """

    @property
    def precision(self) -> str: ...  # noqa: D102

    def each(self, items: Sequence[Item], *, ordered: bool) -> Generator[MadeImage]:
        """What became of each; in their order, or as they come.

        Raises:
            DecamoError: of a disk, of the network or of the cluster.
        """


@contextmanager
def image_maker(
    model: Model,
    request: PredictRequest,
    items: Sequence[Item],
    decided: ImagesRule,
    ear: Ear,
) -> Iterator[ImageMaker]:
    """Whoever predicts, for as long as this block takes.

    Args:
        model: the network, loaded here.
        request: what is to be written, and where it is predicted.
        items: that may have to be.
        decided: how images are read.
        ear: listened to, and told of images that are late.

    Raises:
        DecamoError: there are no experts to draw, or the cluster cannot be used.
    """
    sheets = expert_sheets(model.loaded) if request.experts else None
    wanted = request.workers
    lookers = min(cores(), _LOOKERS) if wanted is None and _worth_threads(request, items) else 0
    many = model.predictor.for_threads(lookers, cores())
    here = ImageWork(
        many or model.predictor, decided.rule, decided.stalled, ear, request.batch, sheets,
        masks=request.write is not None, overlay=request.overlay, lookers=lookers if many else 0,
    )  # fmt: skip
    if wanted is None:
        with sheets.watch if sheets else nullcontext():
            yield _Here(here, str(model.score_options()["precision"]))
        return
    reads = [*network_files(model), *some_files([item.image for item in items])]
    needs = Needs(reads, request.out, threads_of(model), gpus=not is_exported(model.path))
    with staging_in(request.out) as staging, hired(wanted, needs, ear.say) as crew:
        network = remote_network(model, crew.device, wanted.precision)
        precision = _SHORT[precision_there(network, crew)]
        work = RemoteImages(
            network, decided.rule, decided.stalled, request.batch, request.experts, here.masks,
            staging, ear.give_up_s, request.overlay,
        )  # fmt: skip
        yield CrewImages(crew, work, precision, here)


def _worth_threads(request: PredictRequest, items: Sequence[Item]) -> bool:
    return len(items) >= _MANY and request.batch == 1 and not request.experts


@dataclass(frozen=True)
class _Here:
    work: ImageWork
    precision: str

    def each(self, items: Sequence[Item], *, ordered: bool) -> Generator[MadeImage]:
        return self.work.each(items)  # in order, whether it matters or not
