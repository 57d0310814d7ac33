"""A trained network, as other machines load it."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from decamo.api.model import Model, load
from decamo.cluster.worker_crew import BlockWork, WorkerCrew
from decamo.errors import CheckpointError
from decamo.export.exported_predictor import is_exported
from decamo.inference.model_digest import model_digest
from decamo.inference.views import Views
from decamo.system import cores

__all__ = [
    "RemoteNetwork",
    "file_of",
    "network_files",
    "precision_there",
    "remote_network",
    "some_files",
    "threads_of",
]

_LOOKS = 16  # by which nodes show that they see the files: each is read for a mebibyte


@dataclass(frozen=True)
class RemoteNetwork:
    """A network by its file, and how it is loaded; loaded once in a process.

    Attributes:
        path: of the file or folder, absolute.
        digest: :func:`~decamo.inference.model_digest.model_digest` of it.
        device: ``cpu`` or ``cuda``.
        precision: as was asked for.
        img_size: px that it sees.
        views: of each image.
        decide: ``half`` or ``iou``.
        max_pixels: the largest image that is decoded.
        code: ``FILE.py:FUNCTION`` of its network; empty for none.
        threads: that torch computes with.
    """

    path: Path
    digest: str
    device: str
    precision: str
    img_size: int
    views: Views
    decide: str
    max_pixels: int
    code: str
    threads: int

    def load(self) -> Model:
        """The network, ready to predict.

        Raises:
            CheckpointError: it is another file there.
            DecamoError: as :func:`decamo.load`.
        """
        return _loaded(self)


@cache
def _loaded(network: RemoteNetwork) -> Model:
    if model_digest(network.path, network.code) != network.digest:
        got = "it is another file on a worker's machine, or no longer the same"
        raise CheckpointError(network.path, got, "name a path that all nodes share")
    if not is_exported(network.path):
        # torch: decisions/0007
        from decamo.nn.thread_count import use_threads

        use_threads(network.threads)
    return load(
        network.path,
        device=network.device,
        precision=network.precision,
        img_size=network.img_size,
        views=network.views,
        decide=network.decide,
        max_pixels=network.max_pixels,
        network=network.code,
    )


def remote_network(model: Model, device: str, precision: str) -> RemoteNetwork:
    """The network of a model that was loaded here.

    Args:
        model: whose size, views and decision it has.
        device: ``cpu`` or ``cuda``, of the workers.
        precision: that was asked for.
    """
    code = str(model.score_options()["network"])
    return RemoteNetwork(
        path=model.path.absolute(),
        digest=model_digest(model.path, code),
        device=device,
        precision=precision,
        img_size=model.predictor.size,
        views=model.predictor.views,
        decide=model.predictor.decision,
        max_pixels=model.max_pixels,
        code=code,
        threads=threads_of(model),
    )


def threads_of(model: Model) -> int:
    """Threads that a network computes with in this process, and so in each worker."""
    if is_exported(model.path):
        return cores()
    # torch: decisions/0007
    from decamo.nn.thread_count import thread_count

    return thread_count()


def network_files(model: Model) -> list[Path]:
    """Files of a network, by which another machine shows that it sees them."""
    files = sorted(model.path.rglob("*")) if model.path.is_dir() else [model.path]
    code = str(model.score_options()["network"]).rpartition(":")[0]
    return [file for file in (*files, *([Path(code)] if code else [])) if file.is_file()]


def file_of(path: Path) -> Path:
    """The file that holds an image: its own, or the zip or table around it."""
    # not Path's own: of an image in a zip it answers for the content
    return next((Path(p) for p in (path, *path.parents) if os.path.isfile(p)), path)  # noqa: PTH113


def some_files(paths: Sequence[Path]) -> list[Path]:
    """A few of the files that hold images, from all over the list."""
    some = paths[:: max(1, len(paths) // _LOOKS)]
    return [path for path in dict.fromkeys(map(file_of, [*some, *paths[-1:]])) if path.is_file()]


def precision_there(network: RemoteNetwork, crew: WorkerCrew) -> str:
    """``float32``, ``float16`` or ``bfloat16``: what a worker makes of ``--precision``.

    Raises:
        DecamoError: its device does not do that.
    """
    if network.precision == "fp32":
        return "float32"
    asked = crew.results(
        _Precision(network), [network], total=1, block=1, ordered=True, heed=lambda: None
    )
    return next(iter(asked))


@dataclass(frozen=True)
class _Precision(BlockWork[RemoteNetwork, str]):
    network: RemoteNetwork

    def open(self) -> Callable[[Sequence[RemoteNetwork], Callable[[str], None]], Sequence[str]]:
        predictor = self.network.load().predictor
        word = str(predictor.dtype or "float32").removeprefix("torch.")
        return lambda block, _say: [word] * len(block)

    def name(self, item: RemoteNetwork) -> str:
        return str(item.path)
