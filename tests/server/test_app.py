"""The endpoint: maps for images, a clear status for whatever else is sent."""

import asyncio
import base64
import io
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from decamo.errors import UnreadableImage
from decamo.server import FoundMap, Limits, Undecodable, UploadDecoder, create_app, upload_decoder
from decamo.server.answers import run_lengths

LOCAL = "http://127.0.0.1:8000"
LIMITS = Limits(bytes=200_000, pixels=250_000, seconds=20, at_once=3, waiting=300)


def red_is_object(image: NDArray[np.uint8]) -> FoundMap:
    return FoundMap(
        image[..., 0].astype(np.float32) / np.float32(255), {"stride 4": {"texture": 1.0}}
    )


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = create_app(red_is_object, name="toy.pth", details={"sees": "32 px"}, limits=LIMITS)
    with TestClient(app, base_url=LOCAL) as client:
        yield client


def picture(height: int = 30, width: int = 40) -> NDArray[np.uint8]:
    image = np.zeros((height, width, 3), np.uint8)
    image[5:15, 10:30] = 255, 10, 20
    return image


def encoded(image: NDArray[np.uint8], kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, kind, **options)
    return out.getvalue()


def test_a_body_and_a_form_get_the_map(client: TestClient) -> None:
    upload = encoded(picture())
    for reply in (
        client.post("/v1/predict", content=upload),
        client.post("/v1/predict", content=upload, headers={"content-type": "image/png"}),
        client.post("/v1/predict", files={"image": ("../../etc/x.png", upload, "image/png")}),
    ):
        assert reply.status_code == 200
        found = reply.json()
        assert found["size"] == [30, 40]
        assert found["box"] == [10, 5, 20, 10]
        assert found["area"] == 200
        assert found["score"] == found["expected_iou"] == 1
        assert found["experts"] == {"stride 4": {"texture": 1.0}}
        shown = Image.open(io.BytesIO(base64.b64decode(found["map"])))
        assert np.array_equal(np.asarray(shown), picture()[..., 0])


def test_a_form_without_an_image_is_refused(client: TestClient) -> None:
    reply = client.post("/v1/predict", files={"photo": ("x.png", encoded(picture()))})
    assert (reply.status_code, reply.json()["error"]) == (422, "the form has no file named image")


def test_png_and_mask_by_threshold(client: TestClient) -> None:
    image = picture()
    image[20, 20] = 128, 0, 0
    found = {}
    for what in ("png", "mask"):
        reply = client.post(f"/v1/predict?format={what}&threshold=0.6", content=encoded(image))
        assert reply.headers["content-type"] == "image/png"
        found[what] = np.asarray(Image.open(io.BytesIO(reply.content)))

    assert np.array_equal(found["png"], image[..., 0])
    assert np.array_equal(found["mask"] > 0, image[..., 0] >= 0.6 * 255)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_run_lengths_are_those_of_pycocotools() -> None:
    coco = pytest.importorskip("pycocotools.mask")
    generator = np.random.default_rng(0)
    for share in (0, 0.1, 0.5, 1):
        mask = generator.random((23, 17)) < share
        rle = {"size": [23, 17], "counts": run_lengths(mask)}
        packed = coco.frPyObjects(rle, 23, 17)
        assert np.array_equal(coco.decode(packed).astype(bool), mask)


def chunk(kind: bytes, data: bytes) -> bytes:
    import zlib

    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def wrong_uploads() -> dict[str, tuple[bytes, int]]:
    """Sixty uploads that are no image we take, and the status of each."""
    whole = encoded(picture())
    jpeg = encoded(picture(), "JPEG")
    generator = np.random.default_rng(0)
    size = (1 << 30).to_bytes(4, "big")
    header = size + size + b"\x08\x02\x00\x00\x00"
    wrong: dict[str, tuple[bytes, int]] = {
        "nothing": (b"", 422),
        "text": (b"hello", 422),
        "html": (b"<html><script>alert(1)</script></html>", 422),
        "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422),
        "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 422),
        "pdf": (b"%PDF-1.4\n", 422),
        "zip": (b"PK\x03\x04" + bytes(40), 422),
        "pickle": (b"\x80\x04K\x01.", 422),
        "gzip": (b"\x1f\x8b" + bytes(30), 422),
        "too many bytes": (bytes(LIMITS.bytes + 1), 413),
        "a size of 2^60 px": (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header), 422),
        "a million rows": (encoded(np.zeros((300_000, 1, 3), np.uint8)), 422),
        "too many px": (encoded(np.zeros((501, 500, 3), np.uint8)), 422),
        "a signature": (whole[:8], 422),
        "an array of objects": (_array(np.array([{}], dtype=object)), 422),
    }
    wrong |= {f"cut at {n}": (whole[:n], 422) for n in (9, 20, 33, 40, 50)}
    wrong |= {f"jpeg cut at {n}": (jpeg[:n], 422) for n in (2, 11, 100, 300)}
    wrong |= {f"noise {n}": (generator.bytes(n), 422) for n in range(1, 61 - len(wrong))}
    return wrong


def _array(values: NDArray[Any]) -> bytes:
    out = io.BytesIO()
    np.save(out, values, allow_pickle=True)
    return out.getvalue()


WRONG = wrong_uploads()


def test_sixty_wrong_uploads_get_their_status_and_leave_nothing(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(WRONG) == 60
    for name, (upload, status) in WRONG.items():
        reply = client.post("/v1/predict", content=upload)
        assert reply.status_code == status, (name, reply.text)
        assert "/" not in reply.json()["error"], "no path of the server"
        assert reply.headers["x-content-type-options"] == "nosniff"
    assert client.post("/v1/predict", content=encoded(picture())).status_code == 200
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("?format=gif", {}, 400),
        ("?threshold=nan", {}, 400),
        ("?threshold=2", {}, 400),
        ("", {"content-type": "text/plain"}, 415),
        ("", {"content-type": "multipart/form-data"}, 400),
        ("", {"content-type": "multipart/form-data; boundary=x"}, 400),
        ("", {"content-length": "999999999"}, 413),
        ("", {"host": "evil.example"}, 403),
        ("", {"host": "127.0.0.1.evil.example:8000"}, 403),
        ("", {"origin": "http://evil.example"}, 403),
        ("", {"origin": "null"}, 403),
        ("", {"origin": "http://127.0.0.1:9000"}, 403),
        ("", {"sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_what_a_request_must_not_be(
    client: TestClient, query: str, headers: dict[str, str], status: int
) -> None:
    reply = client.post(f"/v1/predict{query}", content=encoded(picture()), headers=headers)
    assert reply.status_code == status, reply.text
    assert reply.json()["error"]


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/"],
)
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404
    assert client.get("/v1/predict").status_code == 405


def test_the_page_asks_nobody_else(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert client.get("/", headers={"host": "localhost:8000"}).status_code == 200
    text = page.text + "".join(client.get(f"/static/page.{kind}").text for kind in ("css", "js"))
    assert "https://" not in text


def test_two_hundred_at_once_are_all_answered_and_few_are_in_memory() -> None:
    held: list[int] = []
    now = [0]

    def slow(image: NDArray[np.uint8]) -> FoundMap:
        return red_is_object(image)

    class Counting(UploadDecoder):
        def decode(self, upload: bytes) -> NDArray[np.uint8]:
            now[0] += 1
            held.append(now[0])
            try:
                return np.asarray(Image.open(io.BytesIO(upload)))
            finally:
                now[0] -= 1

    decoder = Counting(LIMITS.pixels, LIMITS.seconds)
    app = create_app(slow, name="toy", details={}, limits=LIMITS, decoder=decoder)
    upload = encoded(picture())
    with TestClient(app, base_url=LOCAL) as client, ThreadPoolExecutor(40) as pool:
        replies = list(
            pool.map(lambda _: client.post("/v1/predict", content=upload).status_code, range(200))
        )

    assert replies == [200] * 200
    assert max(held) <= LIMITS.at_once


def test_those_beyond_the_line_are_sent_away() -> None:
    limits = Limits(seconds=20, at_once=1, waiting=1)

    def slow(image: NDArray[np.uint8]) -> FoundMap:
        time.sleep(0.5)
        return red_is_object(image)

    class AtOnce(UploadDecoder):
        def decode(self, upload: bytes) -> NDArray[np.uint8]:
            return picture()

    app = create_app(slow, name="toy", details={}, limits=limits, decoder=AtOnce(limits.pixels, 20))
    with TestClient(app, base_url=LOCAL) as client, ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: client.post("/v1/predict", content=b"x"), range(8)))

    codes = [reply.status_code for reply in replies]
    assert set(codes) == {200, 503}
    assert all(r.headers["retry-after"] == "5" for r in replies if r.status_code == 503)


def dies(upload: bytes, folder: Path, max_pixels: int) -> NDArray[np.uint8]:
    if upload == b"die":
        os.kill(os.getpid(), signal.SIGKILL)
    if upload == b"hang":
        time.sleep(600)
    if upload == b"raise":
        raise UnreadableImage(folder, "no image", "send another")
    return np.full((2, 3, 3), len(upload), np.uint8)


def test_a_decoder_that_dies_or_hangs_is_replaced() -> None:
    decoder = UploadDecoder(1000, 1.0, dies)
    for upload, why in (
        (b"die", "ended the process"),
        (b"hang", "longer than 1 s"),
        (b"raise", "no image"),
    ):
        with pytest.raises(Undecodable, match=why):
            decoder.decode(upload)
        assert np.array_equal(decoder.decode(b"four"), np.full((2, 3, 3), 4))
    decoder.close()


def test_a_decoding_process_answers_until_nobody_is_there(tmp_path: Path) -> None:
    """In a thread of this process, by the pipe alone."""
    ours, theirs = Pipe()
    serving = threading.Thread(
        target=upload_decoder._serve, args=(theirs, upload_decoder.decode_upload, tmp_path, 10_000)
    )
    serving.start()
    assert ours.recv_bytes() == b"ready"
    ours.send_bytes(encoded(picture()))
    assert json.loads(ours.recv_bytes()) == {"size": [30, 40]}
    pixels = np.frombuffer(ours.recv_bytes(), np.uint8).reshape(30, 40, 3)
    assert np.array_equal(pixels, picture())
    for upload, why in ((b"hello", "image"), (encoded(picture(200, 300)), "over 10000 in all")):
        ours.send_bytes(upload)
        assert why in json.loads(ours.recv_bytes())["error"]
    assert [*tmp_path.iterdir()] == []
    ours.close()
    serving.join(5)
    assert not serving.is_alive()


def test_a_decoder_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_decoder, "_START_S", 0.0)
    decoder = UploadDecoder(1000, 1.0)
    with pytest.raises(Undecodable, match="does not start"):
        decoder.decode(encoded(picture()))
    assert decoder._process is None
    decoder.close()


def test_what_the_page_is_asked_beside_images(client: TestClient) -> None:
    healthy = client.get("/v1/model")
    assert (healthy.status_code, healthy.json()) == (200, {"model": "toy.pth", "sees": "32 px"})
    reply = client.post("/v1/predict?threshold=half", content=encoded(picture()))
    assert reply.status_code == 400
    assert "threshold" in reply.json()["error"]


def test_more_than_is_allowed_is_refused_in_whatever_form(client: TestClient) -> None:
    large = bytes(LIMITS.bytes + 1)

    def parts() -> Iterator[bytes]:  # of no length that is said
        yield large[: LIMITS.bytes]
        yield large[LIMITS.bytes :]

    for reply in (
        client.post("/v1/predict", content=parts()),
        client.post("/v1/predict", files={"image": ("x.png", large, "image/png")}),
    ):
        assert (reply.status_code, "200000" in reply.json()["error"]) == (413, True)


@pytest.mark.parametrize(
    ("ends", "status", "why"),
    [(True, 400, "the connection ended within the upload"), (False, 408, "did not end in time")],
)
def test_an_upload_that_breaks_off_or_stands_still(ends: bool, status: int, why: str) -> None:
    limits = replace(LIMITS, seconds=0.1)
    app = create_app(red_is_object, name="toy.pth", details={}, limits=limits)
    sent: list[Any] = []
    begun = False

    async def receive() -> dict[str, Any]:
        nonlocal begun
        if not begun:
            begun = True
            return {"type": "http.request", "body": b"\x89PNG", "more_body": True}
        if ends:
            return {"type": "http.disconnect"}
        await asyncio.sleep(60)
        raise AssertionError("nobody waits so long")

    async def send(message: Any) -> None:
        sent.append(message)

    async def ask() -> None:
        scope = {
            "type": "http", "method": "POST", "path": "/v1/predict", "raw_path": b"/v1/predict",
            "query_string": b"", "headers": [(b"host", b"127.0.0.1:8000")], "scheme": "http",
            "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 1), "http_version": "1.1",
        }  # fmt: skip
        async with app.router.lifespan_context(app):
            await app(scope, receive, send)

    asyncio.run(ask())
    assert sent[0]["status"] == status
    assert why in b"".join(message.get("body", b"") for message in sent).decode()
