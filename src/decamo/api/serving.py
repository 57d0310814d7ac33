"""A network as a page of this machine: ``decamo.serve("best_model.pth")``."""

import contextlib
import socket
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from decamo.api.model import Model, load
from decamo.errors import SettingsError
from decamo.settings.words import level_name

if TYPE_CHECKING:
    from decamo.server import FoundMap

__all__ = ["serve"]

_PACKAGES = ("starlette", "uvicorn", "python_multipart", "jinja2")
_LOCAL = ("127.0.0.1", "localhost", "[::1]")


def serve(
    model: Model | str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    allow_hosts: tuple[str, ...] = (),
    max_megabytes: int = 32,
    max_pixels: int = 50_000_000,
    seconds: float = 60,
    on_ready: Callable[[str], object] = print,
    **how: Any,
) -> None:
    """Serve a network as a page and a REST endpoint until Ctrl-C.

    Args:
        model: a loaded one, or what :func:`decamo.load` takes.
        host: address to bind; 127.0.0.1 is reached from this machine alone.
        port: 0 for any that is free.
        allow_hosts: names other than this machine's own under which the page may be asked for.
        max_megabytes: of an upload.
        max_pixels: of an image.
        seconds: that an upload, a turn or a decoding may take.
        on_ready: called with the page's address once it answers.
        how: arguments of :func:`decamo.load`.

    Raises:
        SettingsError: the extra ``serve`` is not installed, or the port is taken.
        CheckpointError: the model cannot be loaded.
    """
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        raise SettingsError(
            "serve", f"{', '.join(missing)} not installed", "pip install 'decamo[serve]'"
        )
    opened = model if isinstance(model, Model) else load(model, max_pixels=max_pixels, **how)
    bound = _bound(host, port)
    from decamo.server import Limits, create_app  # starlette: decisions/0007

    app = create_app(
        _answering(opened),
        name=opened.path.name,
        details=_details(opened),
        hosts=(*_LOCAL, host, *allow_hosts),
        limits=Limits(bytes=max_megabytes << 20, pixels=max_pixels, seconds=seconds),
    )
    uvicorn = import_module("uvicorn")
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_keep_alive=5
    )
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::") else host
    with contextlib.closing(bound):
        server = uvicorn.Server(config)
        on_ready(f"http://{shown}:{bound.getsockname()[1]}/")
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[bound])


def _bound(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(128)
    except (OSError, OverflowError) as error:
        bound.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError("--port", f"{host}:{port}: {reason}", "give another, or 0") from error
    return bound


def _answering(model: Model) -> "Callable[[npt.NDArray[np.uint8]], FoundMap]":
    from decamo.server import FoundMap  # starlette: decisions/0007

    def answer(image: npt.NDArray[np.uint8]) -> "FoundMap":
        with _gates(model) as gates:
            found = model.predict(image)
        return FoundMap(found.probability, gates())

    return answer


@contextlib.contextmanager
def _gates(model: Model) -> Any:
    """What the experts did in the block; nothing for a network without, or an exported one."""
    network: Any = getattr(model.predictor, "model", None)
    mixtures = getattr(network, "mixtures", ())
    if not mixtures:
        yield dict
        return
    kinds = mixtures[0].names
    from decamo.nn.expert_recorders import GateRecorder  # torch: decisions/0007

    with GateRecorder(network) as heard:

        def gates() -> Mapping[str, Mapping[str, float]]:
            levels = heard.images()[0].tolist() if len(heard) else []
            return {
                level_name(number): dict(zip(kinds, (round(g, 4) for g in shares), strict=True))
                for number, shares in enumerate(levels)
            }

        yield gates


def _details(model: Model) -> dict[str, str]:
    predictor = model.predictor
    return {"runs on": str(predictor.device), "sees": f"{predictor.size} px"}
