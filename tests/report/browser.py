"""A real browser without a window, where this machine has one."""

import html
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
needs_browser = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip

# What sticks out of the page, but for what lies in a box that scrolls by itself.
_MEASURE = """
const inner = document.querySelector('iframe').contentDocument;
const wide = inner.documentElement.clientWidth;
const out = [...inner.body.querySelectorAll('*')].filter(e =>
  !e.closest('.wide') && e.getClientRects().length && e.getBoundingClientRect().right > wide + 0.5);
document.title = JSON.stringify({
  width: wide,
  scroll: inner.documentElement.scrollWidth,
  out: out.map(e => e.tagName + '.' + e.getAttribute('class')).slice(0, 9),
  small: Math.min(...[...inner.querySelectorAll('svg text')].filter(e => e.getClientRects().length)
    .map(e => e.getBoundingClientRect().height)),
});
"""


def browse(page: Path, *flags: str) -> str:
    """Open a page; what the browser prints."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        done = subprocess.run(
            [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", *flags, page.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    return done.stdout


def layout(page: Path, width: int, folder: Path) -> dict[str, Any]:
    """How a page lies in a window of that width, all its folds open: see ``_MEASURE``.

    In a frame, since a window of the browser is never narrower than 500 px.
    """
    text = page.read_text(encoding="utf-8").replace("<details", "<details open")
    frame = folder / "frame.html"
    frame.write_text(
        f'<meta charset="utf-8"><iframe style="width:{width}px;height:900px;border:0"'
        f' srcdoc="{html.escape(text)}"></iframe>'
        f"<script>onload = () => {{{_MEASURE}}}</script>",
        encoding="utf-8",
    )
    title = re.search(r"<title>(.*?)</title>", browse(frame, "--dump-dom").partition("<iframe")[0])
    assert title
    told: dict[str, Any] = json.loads(html.unescape(title[1]))
    return told
