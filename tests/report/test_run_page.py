import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from decamo.diagnosis import advise, diagnose_log
from decamo.diagnosis.forecast import forecast
from decamo.history import LogSegment, Point, TrainingLog, log_of_text
from decamo.report.experts_section import Gallery, Sheet, Shot
from decamo.report.run_page import Findings, run_page, standing
from decamo.settings import TrainSettings
from decamo.settings.plain import to_plain
from decamo.storage.run_folder import Content
from tests.report.browser import browse, layout, needs_browser
from tests.report.reader import Reader, outside
from tests.report.test_run_charts import long_run

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>\n</style></pre>\x1b[31m\u202e\udce9'
PIXEL = "/9j/4AAQ"


def full_run() -> TrainingLog:
    past = long_run()
    settings = to_plain(TrainSettings())
    settings["data"]["dataset_path"] = ["/data/" + "long-name-without-a-break" * 6]
    last = replace(past.stretches[-1], settings=settings, planned_end=120)
    return replace(past, stretches=(*past.stretches[:-1], last), source="/runs/" + "deep" * 30)


def page_of(past: TrainingLog, **known: object) -> str:
    return run_page(past, replace(Findings(diagnose_log(past)), **known))  # type: ignore[arg-type]


def full_page() -> str:
    shots = [Shot(sort, "Set/name" * 9, 0.5, PIXEL, PIXEL) for sort in ("best", "median", "worst")]
    past = full_run()
    outlook = forecast(past, 0.72)
    return page_of(
        past,
        gallery=Gallery(
            shots, "best_model.pth on images", sheets=[Sheet("best", "Set/name" * 9, 0.5, PIXEL)]
        ),
        files=[Content("best_model.pth", "the best", 10**7), Content("x" * 90, "", 3)],
        forecast=outlook,
        advice=advise(past, diagnose_log(past), forecast=outlook),
        made=", today",
    )


def test_the_page_has_all_parts_in_order() -> None:
    text = Reader(full_page()).text
    parts = [
        "evidence",
        "best iou",
        "what to do now",
        "likely causes",
        "curves",
        "forecast:",
        "validation cases",
        "routing entropy",
        "where they fire",
        "lineage",
        "settings",
        "files",
    ]
    places = [text.lower().index(part) for part in parts]
    assert places == sorted(places)
    assert "0.4200" in text
    assert "0.3000" in text  # to the target
    assert "of 120 planned" in text
    assert "12m" in text


def test_the_forecast_is_drawn_and_told() -> None:
    page = full_page()
    assert page.count("forecast: 10% to 90%") == 2  # wide and slim
    assert page.count("forecast: 25% to 75%") == 2
    outlook = forecast(full_run(), 0.72)
    assert outlook.sentence in Reader(page).text
    assert f"by epoch {outlook.end}" in Reader(page).text or outlook.chance in (0, 1)


def test_headings_go_down_one_by_one() -> None:
    read = Reader(full_page())
    levels = [int(tag[1]) for tag, _ in read.tags if tag in ("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_every_picture_is_described_and_every_table_named() -> None:
    text = full_page()
    read = Reader(text)
    assert all(img["alt"] for img in read.all("img"))
    for svg in read.all("svg"):
        assert svg.get("aria-label") or svg.get("aria-hidden") == "true"
    assert len(read.all("caption")) == len(read.all("table")) >= 5


def test_the_page_needs_nothing_but_itself() -> None:
    text = full_page()
    read = Reader(text)
    assert outside(text) == []
    assert read.all("a") == []
    assert "http" not in text


def test_no_text_of_others_can_write_markup() -> None:
    settings = {EVIL: {EVIL: EVIL, "dataset_path": [EVIL]}}
    stretches = (
        LogSegment(1, EVIL, EVIL, settings, device=EVIL),
        LogSegment(3, EVIL, EVIL, settings, device=EVIL),
    )
    points = tuple(
        Point(n, iou=0.1 * n, rates={EVIL: 0.0 if n < 3 else 1e-3, "head": 1e-3})
        for n in range(1, 6)
    )
    past = TrainingLog(points, stretches, EVIL, EVIL, (EVIL,))
    advice = advise(past, diagnose_log(past), checkpoint=EVIL)
    shots = [Shot(EVIL, EVIL, 0.5, PIXEL, PIXEL)]
    text = page_of(
        past,
        gallery=Gallery(shots, EVIL, sheets=[Sheet(EVIL, EVIL, 0.5, PIXEL)]),
        files=[Content(EVIL, EVIL, 1)],
        made=EVIL,
        advice=advice,
    )
    text += page_of(past, gallery=Gallery(missing=EVIL))
    for page in text.split("<!doctype html>")[1:]:
        read = Reader(page)
        assert {str(img.get("src")) for img in read.all("img")} <= {
            f"data:image/jpeg;base64,{PIXEL}"
        }
        assert outside(page) == []
    assert "\x1b" not in text
    assert "\u202e" not in text
    text.encode()


@pytest.mark.parametrize(
    ("past", "words"),
    [
        (TrainingLog(()), "No epoch is finished"),
        (TrainingLog((), (LogSegment(1, "start", planned_end=9),)), "No epoch is finished"),
        (
            TrainingLog((Point(3),), (LogSegment(1, planned_end=9),)),
            "Epoch 3 of 9 is finished: the run was",
        ),
        (TrainingLog((Point(9),), (LogSegment(1, planned_end=9),)), "All 9 epochs are finished."),
        (
            TrainingLog((Point(87), Point(90))),
            "Epochs 87 to 90; how many were planned is not known.",
        ),
    ],
)
def test_how_far_it_is_is_said(past: TrainingLog, words: str) -> None:
    assert words in standing(past)
    assert words in Reader(page_of(past)).text


def test_an_empty_run_has_a_page() -> None:
    read = Reader(
        page_of(TrainingLog((), (LogSegment(1, "start", "a new run"),), notes=("nothing",)))
    )
    assert [svg for svg in read.all("svg") if svg.get("role") == "img"] == []
    assert "none finished" in read.text
    assert "Best IoU" not in read.text


def test_a_bare_log_has_a_page() -> None:
    lines = ["Epoch 87: Loss: 0.2341 | IoU: 0.6350 | Dice: 0.7456 | LR: 0.000200"]
    lines += ["Epoch 88: Loss: nan | IoU: 0.1 | LR: 0.0001"]
    read = Reader(page_of(log_of_text(lines, "run.log")))
    for words in ("run.log", "0.6350", "Epochs 87 to 88"):
        assert words in read.text
    for words in ("Settings", "Validation cases", "Files"):
        assert words not in read.text


def test_a_run_that_broke_has_a_page() -> None:
    points = (Point(1, iou=math.nan, loss=math.inf), Point(2, iou=None, loss=math.nan))
    read = Reader(page_of(TrainingLog(points)))
    assert "not a number" in read.text


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(full_page(), encoding="utf-8")
    return path


@needs_browser
@pytest.mark.parametrize("width", [360, pytest.param(1100, marks=pytest.mark.long)])
def test_a_browser_shows_nothing_outside_of_the_window(
    written: Path, tmp_path: Path, width: int
) -> None:
    told = layout(written, width, tmp_path)
    assert told["width"] == width
    assert told["scroll"] == width
    assert told["out"] == []
    assert told["small"] >= 10  # px: letters in charts can be read


@needs_browser
def test_the_measure_finds_what_sticks_out(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text('<!doctype html><body><p style="width:400px">x</p><svg><text>x</text></svg>')
    told = layout(page, 360, tmp_path)
    assert told["scroll"] > 360
    assert told["out"] == ["P.null"]


@needs_browser
@pytest.mark.parametrize("width", [500, pytest.param(1100, marks=pytest.mark.long)])
def test_a_browser_draws_it(written: Path, tmp_path: Path, width: int) -> None:
    shot = tmp_path / "shot.png"
    browse(written, f"--window-size={width},1600", f"--screenshot={shot}")
    with Image.open(shot) as picture:
        colours = picture.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert len(colours) > 50


@needs_browser
def test_a_browser_prints_it(written: Path, tmp_path: Path) -> None:
    paper = tmp_path / "report.pdf"
    browse(written, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    data = paper.read_bytes()
    assert data.startswith(b"%PDF")
    assert data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") >= 2
    assert len(data) > 20_000
