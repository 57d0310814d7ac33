"""The page in a real browser: an image is dropped, the threshold moved, the mask painted, saved."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from decamo.server import Limits, create_app
from tests.report.browser import CHROMIUM, needs_browser
from tests.server.test_app import red_is_object

pytestmark = [needs_browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def address() -> Iterator[str]:
    limits = Limits(bytes=100_000)
    app = create_app(red_is_object, name="toy.pth", details={"sees": "32 px"}, limits=limits)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/"
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def asked() -> list[str]:
    """Addresses that the page asked for."""
    return []


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str, asked: list[str]) -> Iterator[Page]:
    """In a context of its own: nothing is kept from another."""
    page = browser.new_page(viewport={"width": 1200, "height": 800}, accept_downloads=True)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    yield page
    page.close()


def photograph(folder: Path) -> Path:
    """A red ramp from left to right: the threshold is a column."""
    image = np.zeros((60, 100, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, 100).astype(np.uint8)
    image[..., 1] = 80
    path = folder / "moth.png"
    Image.fromarray(image).save(path)
    return path


def dropped(page: Page, path: Path) -> None:
    """The file is dropped on the page, as from a folder."""
    data = page.evaluate_handle(
        """([bytes, name]) => { const all = new DataTransfer();
        all.items.add(new File([new Uint8Array(bytes)], name)); return all; }""",
        [list(path.read_bytes()), path.name],
    )
    page.dispatch_event("body", "drop", {"dataTransfer": data})


def slide(page: Page, name: str, value: str) -> None:
    page.locator(f"#{name}").evaluate(
        "(e, v) => { e.value = v; e.dispatchEvent(new Event('input')); }", value
    )
    page.wait_for_timeout(100)


def saved(page: Page, button: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.click(button)
    target = folder / download.value.suggested_filename
    download.value.save_as(target)
    return target


def mask(page: Page, folder: Path) -> Any:
    return np.asarray(Image.open(saved(page, "#save-mask", folder)).convert("L")) > 0


def test_drop_slide_paint_undo_download(
    page: Page, address: str, asked: list[str], tmp_path: Path
) -> None:
    ramp = np.linspace(0, 255, 100).astype(np.uint8) / 255
    dropped(page, photograph(tmp_path))
    page.wait_for_selector("#panel:not([hidden])")
    assert page.inner_text("#status") == "moth.png: 100 x 60 px"
    assert "stride 4" in page.inner_text("#experts")

    assert np.array_equal(mask(page, tmp_path), np.tile(ramp >= 0.5, (60, 1)))
    slide(page, "threshold", "0.8")
    at_08 = np.tile(ramp >= 0.8, (60, 1))
    assert np.array_equal(mask(page, tmp_path), at_08)
    assert page.inner_text("#share") == f"{100 * at_08.mean():.1f} %"

    page.check("input[name=brush][value=add]")
    slide(page, "width", "10")
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    scale = box["width"] / 100
    page.mouse.move(box["x"] + 20 * scale, box["y"] + 30 * scale)
    page.mouse.down()
    page.mouse.move(box["x"] + 40 * scale, box["y"] + 30 * scale, steps=5)
    page.mouse.up()
    painted = mask(page, tmp_path)
    assert painted[30, 20:41].all()
    assert painted[24:37, 12:49].sum() == (painted & ~at_08).sum()

    coco = json.loads(saved(page, "#save-coco", tmp_path).read_text())
    (note,) = coco["annotations"]
    counts = note["segmentation"]["counts"]
    values = np.arange(len(counts)) % 2 == 1
    read = np.repeat(values, counts).reshape(100, 60).T
    assert np.array_equal(read, painted)
    assert note["area"] == painted.sum()
    assert coco["images"][0]["file_name"] == "moth.png"

    page.click("#undo")
    assert np.array_equal(mask(page, tmp_path), at_08)
    assert all(url.startswith((address, "blob:", "data:")) for url in asked)


def test_what_cannot_be_answered_is_said(page: Page, tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("hello")
    dropped(page, text)
    page.wait_for_selector("#status.bad")
    assert "image" in page.inner_text("#status")
    large = tmp_path / "large.png"
    large.write_bytes(bytes(200_000))
    dropped(page, large)
    page.wait_for_function("document.querySelector('#status').textContent.includes('more than')")
    assert page.is_visible("#drop")


@pytest.mark.parametrize(
    "width", [320, *(pytest.param(n, marks=pytest.mark.long) for n in (390, 768)), 1280]
)
def test_nothing_sticks_out_on_any_screen(page: Page, tmp_path: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for _ in range(2):
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
        dropped(page, photograph(tmp_path))
        page.wait_for_selector("#panel:not([hidden])")
