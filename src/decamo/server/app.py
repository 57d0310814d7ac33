"""The page and its endpoint: one image in, its map out, within limits."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
import numpy as np
from numpy.typing import NDArray
from python_multipart.multipart import FormParser, parse_options_header
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from decamo.server.answers import FoundMap, png_of
from decamo.server.upload_decoder import Undecodable, UploadDecoder

__all__ = ["Limits", "create_app"]

_HERE = Path(__file__).parent
_TYPES = ("image/", "application/octet-stream", "multipart/form-data")
_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

Predict = Callable[[NDArray[np.uint8]], FoundMap]
"""uint8 ``[H, W, 3]``, RGB -> what the network says of it."""


@dataclass(frozen=True)
class Limits:
    """What one request, and all of them together, may take.

    Attributes:
        bytes: of an upload.
        pixels: of an image.
        seconds: to receive an upload, to wait for one's turn, to decode.
        at_once: uploads that are held in memory at a time; others wait for their turn.
        waiting: that wait; beyond, they are sent away at once.
    """

    bytes: int = 32 << 20
    pixels: int = 50_000_000
    seconds: float = 60.0
    at_once: int = 4
    waiting: int = 256


class _Refused(Exception):
    """A request that gets no map: status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        self.status, self.reason = status, reason


@dataclass
class _Desk:
    """Where requests stand in line, and what answers them."""

    predict: Predict
    decoder: UploadDecoder
    limits: Limits

    def __post_init__(self) -> None:
        self.turns = asyncio.Semaphore(self.limits.at_once)
        self.network = asyncio.Lock()
        self.waiting = 0

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A place among the few whose uploads are in memory."""
        if self.waiting >= self.limits.waiting:
            raise _Refused(503, f"{self.waiting} requests wait already; try again later")
        self.waiting += 1
        try:
            async with asyncio.timeout(self.limits.seconds):
                await self.turns.acquire()
        except TimeoutError:
            raise _Refused(503, "no turn came in time; try again later") from None
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self.turns.release()

    async def answer(self, request: Request) -> tuple[FoundMap, float]:
        """What the network says of a request's image, and the seconds it took."""
        async with self.turn():
            upload = await self._received(request)
            began = time.monotonic()
            try:
                pixels = await asyncio.to_thread(self.decoder.decode, upload)
            except Undecodable as error:
                raise _Refused(422, str(error)) from error
            del upload
            async with self.network:
                answer = await asyncio.to_thread(self.predict, pixels)
            return answer, time.monotonic() - began

    async def _received(self, request: Request) -> bytes:
        kind = request.headers.get("content-type", "application/octet-stream").lower()
        if not kind.startswith(_TYPES):
            raise _Refused(415, f"got {kind[:80]}; send an image, or a form with one")
        try:
            async with asyncio.timeout(self.limits.seconds):
                if kind.startswith("multipart/"):
                    return await self._from_form(request)
                return await _limited_body(request, self.limits.bytes)
        except TimeoutError:
            raise _Refused(408, "the upload did not end in time") from None
        except ClientDisconnect:
            raise _Refused(400, "the connection ended within the upload") from None

    async def _from_form(self, request: Request) -> bytes:
        body = await _limited_body(request, self.limits.bytes + 65536)
        part = _image_part(body, request.headers["content-type"])
        if part is None:
            raise _Refused(422, "the form has no file named image")
        if len(part) > self.limits.bytes:
            raise _Refused(413, f"more than {self.limits.bytes} bytes")
        return part


def create_app(
    predict: Predict,
    *,
    name: str,
    details: Mapping[str, str],
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]"),
    limits: Limits = Limits(),
    decoder: UploadDecoder | None = None,
) -> Starlette:
    """The application, for any ASGI server.

    ``GET /`` is the page. ``POST /v1/predict`` takes an image as the request's body, or as the file
    ``image`` of a form, and answers with JSON; with ``?format=png`` the map as an 8-bit PNG, with
    ``?format=mask`` the mask. ``?threshold=0.5`` decides what the mask is. Refusals are JSON with
    ``error`` and one of the statuses 400, 403, 408, 413, 415, 422, 503.

    Args:
        predict: called with one image at a time, from a thread.
        name: of the model, for the page.
        details: of the model, for the page.
        hosts: names under which the page may be asked for; a page of another site cannot use it.
        limits: of requests.
        decoder: what decodes uploads.
    """
    desk: _Desk | None = None
    made = decoder or UploadDecoder(limits.pixels, limits.seconds)
    pages = jinja2.Environment(loader=jinja2.FileSystemLoader(_HERE), autoescape=True)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        nonlocal desk
        desk = _Desk(predict, made, limits)
        try:
            yield
        finally:
            made.close()

    async def page(request: Request) -> Response:
        template = pages.get_template("page.html")
        values = {"name": name, "details": details, "limits": limits, "address": request.base_url}
        return HTMLResponse(template.render(values))

    async def predicted(request: Request) -> Response:
        if desk is None:
            raise RuntimeError("the application was not started")
        wanted, threshold = _query(request)
        answer, seconds = await desk.answer(request)
        if wanted == "json":
            return JSONResponse(answer.to_plain(threshold) | {"seconds": round(seconds, 3)})
        picture = answer.mask(threshold) if wanted == "mask" else answer.probability
        return Response(await asyncio.to_thread(png_of, picture), media_type="image/png")

    async def healthy(request: Request) -> Response:
        return JSONResponse({"model": name, **details})

    app = Starlette(
        routes=[
            Route("/", page),
            Route("/v1/predict", predicted, methods=["POST"]),
            Route("/v1/model", healthy),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ],
        exception_handlers={_Refused: _refusal, 404: _not_found, 405: _not_found},
        lifespan=lifespan,
    )
    app.add_middleware(_OwnPage, hosts=hosts)
    return app


class _OwnPage:
    """Answers its own page alone: hosts by name (DNS rebinding), posts by origin (other sites)."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        if (why := self._strange(headers)) is not None:
            await JSONResponse({"error": why}, 403, _HEADERS)(scope, receive, send)
            return

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                more = [(k.encode(), v.encode()) for k, v in _HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await self.app(scope, receive, with_headers)

    def _strange(self, headers: Mapping[str, str]) -> str | None:
        host = headers.get("host", "")
        if _bare(host) not in self.hosts:
            return f"this page is not {host[:80]}; give decamo serve --allow-host for that name"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "pages of other sites are not answered"
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "pages of other sites are not answered"
        return None


def _bare(host: str) -> str:
    """A host without its port."""
    head, colon, port = host.rpartition(":")
    return head if colon and port.isdigit() else host


def _query(request: Request) -> tuple[str, float]:
    wanted = request.query_params.get("format", "json")
    if wanted not in ("json", "png", "mask"):
        raise _Refused(400, f"format: got {wanted[:40]!r}; give json, png or mask")
    text = request.query_params.get("threshold", "0.5")
    try:
        threshold = float(text)
    except ValueError:
        threshold = -1
    if not 0 <= threshold <= 1:
        raise _Refused(400, f"threshold: got {text[:40]!r}; give a number from 0 to 1")
    return wanted, threshold


async def _limited_body(request: Request, most: int) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > most:
        raise _Refused(413, f"more than {most} bytes")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise _Refused(413, f"more than {most} bytes")
    if not body:
        raise _Refused(422, "nothing was sent")
    return bytes(body)


def _image_part(body: bytes, kind: str) -> bytes | None:
    """The file ``image`` of a form; the names that it gives its files are not used."""
    found: list[bytes] = []

    def take(file: Any) -> None:
        if file.field_name == b"image":
            file.file_object.seek(0)
            found.append(file.file_object.read())

    _, options = parse_options_header(kind)
    config = {"MAX_MEMORY_FILE_SIZE": len(body) + 1}  # nothing goes to a file
    try:
        parser = FormParser(
            "multipart/form-data", lambda _: None, take, boundary=options.get(b"boundary"),
            config=config,
        )  # fmt: skip
        parser.write(body)
        parser.finalize()
    except Exception as error:
        raise _Refused(400, "the form cannot be read") from error
    return found[0] if found else None


async def _refusal(request: Request, error: Exception) -> Response:
    refused = error if isinstance(error, _Refused) else _Refused(500, "something went wrong")
    headers = {"retry-after": "5"} if refused.status == 503 else {}
    return JSONResponse({"error": refused.reason}, refused.status, headers)


async def _not_found(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "no such page"}, getattr(error, "status_code", 404))
