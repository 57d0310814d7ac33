"""The pictures of README and docs, from what ``make demo`` leaves: ``make pictures`` runs this.

Procedural scenes only. ``strip.png``: images, masks and predictions of test scenes;
``way-out.svg``: the curve of a plateau, a race and the way out; ``report.png``: the top of the
report's page, which needs chromium.
"""

import argparse
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from decamo.history import read_training_log
from decamo.inference import overlay

MOST_BYTES = 150 * 1024
RANKS = (95, 80, 65, 50, 35, 20)  # percentiles of the test scenes by IoU that are shown, best first
SIDE = 128  # px of a shown scene
MARGIN, HEAD, LINE = 6, 92, 18  # px: between pictures, for the rows' names, for the line below
WIDE, HIGH = 1000, 1180  # px of the report's page that are shown, twice
SHRINK = 0.7
# Where the curves begin, as the page's title.
FIND_CURVES = """<script>
const head = [...document.querySelectorAll('h2')].find(e => e.textContent === 'Curves');
document.title = Math.round(head.getBoundingClientRect().top + window.scrollY - 28);
</script>"""
NAMES = {
    "control": "left alone (control)",
    "twin": "left alone, another seed",
    "advice": "as diagnosed",
    "rate-x10": "10 x the rate",
    "anneal": "annealed",
}
COLOURS = {
    "control": "#8a8a8a",
    "twin": "#b8b8b8",
    "advice": "#0b7a75",
    "rate-x10": "#d1495b",
    "anneal": "#e0a030",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Draw all three; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("demo", type=Path, help="folder that make demo has filled")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"), help="where they go")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    drawn = {
        "strip.png": png(strip(args.demo)),
        "way-out.svg": way_out(args.demo / "run"),
        "report.png": png(report(args.demo / "run" / "report.html"), colours=64),
    }
    for name, data in drawn.items():
        if len(data) > MOST_BYTES:
            sys.exit(f"{name}: {len(data)} bytes, more than {MOST_BYTES}; draw it smaller")
        (args.out / name).write_bytes(data)
        print(f"{args.out / name}: {len(data) / 1024:.0f} KiB")
    return 0


def png(picture: Image.Image, colours: int = 256) -> bytes:
    """As PNG of at most ``colours`` colours."""
    out = io.BytesIO()
    picture.quantize(colours, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def strip(demo: Path) -> Image.Image:
    """Test scenes from well found to badly found: image, mask, prediction, IoU."""
    scored = sorted(scenes(demo), key=lambda scene: -scene[0])
    shown = [scored[round((len(scored) - 1) * (1 - rank / 100))] for rank in RANKS]
    wide = HEAD + len(shown) * (SIDE + MARGIN)
    sheet = Image.new("RGB", (wide, 3 * (SIDE + MARGIN) + LINE), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for row, name in enumerate(("image", "mask", "prediction")):
        pen.text((0, row * (SIDE + MARGIN) + SIDE // 2 - 8), name, fill="black", font=font)
    for column, (iou, *pictures) in enumerate(shown):
        left = HEAD + column * (SIDE + MARGIN)
        for row, picture in enumerate(pictures):
            tile = (
                Image.fromarray(picture)
                .convert("RGB")
                .resize((SIDE, SIDE), Image.Resampling.NEAREST)
            )
            sheet.paste(tile, (left, row * (SIDE + MARGIN)))
        below = (left + SIDE // 2, 3 * (SIDE + MARGIN))
        pen.text(below, f"IoU {iou:.2f}", fill="black", font=font, anchor="mt")
    return sheet


def scenes(
    demo: Path,
) -> list[tuple[float, npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]:
    """IoU, image, mask and overlay of each test scene with an object."""
    found = []
    for file in sorted((demo / "scenes/Test/GT_Object").glob("*.png")):
        mask = np.asarray(Image.open(file).convert("L")) > 127
        if not mask.any():
            continue
        image = np.asarray(
            Image.open(next((demo / "scenes/Test/Image").glob(f"{file.stem}.*"))).convert("RGB")
        )
        probability = np.asarray(Image.open(demo / "predictions" / file.name), np.float32) / 255
        inside = probability > 0.5
        iou = float((inside & mask).sum() / (inside | mask).sum())
        found.append((iou, image, mask.astype(np.uint8) * 255, overlay(image, probability)))
    return found


def way_out(run: Path) -> bytes:
    """Validation IoU over epochs: the run, the race's branches, the winner's whole way."""
    points = [p for p in read_training_log([run]).points if p.iou is not None]
    branches = trials(run / "escape")
    start = min(epoch for epochs in branches.values() for epoch in epochs)
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    for after, label, colour in (
        (False, "the run", "black"),
        (True, "the winner's plan", COLOURS["advice"]),
    ):
        part = [p for p in points if (p.epoch >= start if after else p.epoch <= start)]
        axes.plot([p.epoch for p in part], [p.iou for p in part], color=colour, lw=2, label=label)
    for name, scores in branches.items():
        colour, label = COLOURS.get(name, "#5566aa"), f"race: {NAMES.get(name, name)}"
        axes.plot(list(scores), list(scores.values()), color=colour, lw=1.3, ls="--", label=label)
    end = max(epoch for epochs in branches.values() for epoch in epochs)
    axes.axvspan(start, end, color="#000000", alpha=0.06, lw=0)
    stuck = next(p for p in points if p.epoch == start).iou or 0.0
    axes.text(start - 1, stuck + 0.015, "a plateau", ha="right")
    axes.text((start + end) / 2, axes.get_ylim()[1], "a race", ha="center", va="top")
    axes.text(points[-1].epoch, (points[-1].iou or 0.0) - 0.05, "the way out", ha="right")
    axes.set(xlabel="epoch", ylabel="validation IoU", xlim=(1, points[-1].epoch))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right", fontsize=9)
    out = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "decamo"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return re.sub(r"[ \t]+\n", "\n", out.getvalue()).encode()


def trials(race: Path) -> dict[str, dict[int, float]]:
    """Branch -> epoch -> IoU, as a race left them."""
    known = [
        branch["name"] for branch in json.loads((race / "race.json").read_text())["set of branches"]
    ]
    found = {name: json.loads((race / f"{name}.json").read_text())["rungs"] for name in known}
    return {
        name: {
            rung["epoch"]: rung["iou"] for rung in sorted(rungs.values(), key=lambda r: r["epoch"])
        }
        for name, rungs in found.items()
    }


def report(page: Path) -> Image.Image:
    """The top of the report's page and its curves, side by side, as a browser shows them."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        copy, shot = Path(folder) / "page.html", Path(folder) / "shot.png"
        copy.write_text(page.read_text(encoding="utf-8") + FIND_CURVES, encoding="utf-8")
        title = re.search(r"<title>(\d+)</title>", browse(copy, folder, "--dump-dom"))
        assert title is not None, f"{page}: it has no curves"
        browse(page, folder, f"--screenshot={shot}")
        whole = Image.open(shot).convert("RGB")
    below = int(title[1])
    sheet = Image.new("RGB", (2 * WIDE, HIGH), whole.getpixel((0, 0)))
    sheet.paste(whole.crop((0, 0, WIDE, HIGH)))
    sheet.paste(whole.crop((0, below, WIDE, below + HIGH)), (WIDE, 0))
    return sheet.resize((round(2 * WIDE * SHRINK), round(HIGH * SHRINK)), Image.Resampling.LANCZOS)


def browse(page: Path, folder: str, *flags: str) -> str:
    """Open a page in chromium without a window; what it prints."""
    browsers = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    browser = next(filter(None, browsers), None)
    if browser is None:
        sys.exit("no chromium on this machine; install it, the report's picture is a screenshot")
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
             "--disable-dev-shm-usage")  # fmt: skip
    done = subprocess.run(
        [browser, *quiet, f"--user-data-dir={folder}/profile", f"--window-size={WIDE},{4 * HIGH}",
         *flags, page.resolve().as_uri()],
        check=True, capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
