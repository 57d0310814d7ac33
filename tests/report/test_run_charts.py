import math
import re

from decamo.history import LogSegment, Point, TrainingLog
from decamo.report.run_figures import best_point, run_charts
from decamo.report.svg_parts import ChartFan
from tests.report.reader import Reader, outside

RATES = {"head": 1e-3, "backbone.0": 1e-4, "backbone.1": 1e-4}
FROZEN = {"head": 2e-3, "backbone.0": 0.0, "backbone.1": 0.0}


def long_run() -> TrainingLog:
    """Two stages, a branch and a rollback, three experts."""
    points = tuple(
        Point(
            n,
            loss=2 / n,
            iou=0.3 + 0.01 * n,
            dice=0.4 + 0.01 * n,
            lr=1e-3,
            rates=FROZEN if n <= 3 else {k: v / n for k, v in RATES.items()},
            stage=1 if n <= 3 else 2,
            seconds=60.0,
            usage=(0.5, 0.3, 0.2),
            gates=((0.5, 0.3, 0.2), (1.0, 0.0, 0.0)),
            routing_entropy=(0.8, 0.0),
            routing_balance=(0.9373, 0.0),
        )
        for n in range(1, 13)
    )
    stretches = (
        LogSegment(1, "start", "a new run"),
        LogSegment(6, "branch", "--scheduler none -> cosine"),
        LogSegment(9, "rollback", "half the rates"),
    )
    return TrainingLog(points, stretches, source="x")


def titles(page: str) -> list[str]:
    return re.findall(r"<figcaption><b>([^<]*)</b>", page)


def test_everything_known_is_drawn() -> None:
    page = run_charts(long_run(), 0.72)
    read = Reader(page)
    assert titles(page) == [
        "IoU and Dice on the validation images",
        "Loss",
        "Learning rate, log scale",
        "Seconds an epoch",
    ]
    for words in (
        "target 0.72",
        "best 0.4200",
        "branch: --scheduler none -&gt; cosine",
        "rollback",
        "unfreeze",
        "backbone.0 to 1 learns from here on",
        "stage 2",
        "12m in all",
    ):
        assert words in page, words
    assert outside(page) == []
    assert all(svg.get("aria-label") for svg in read.all("svg") if svg.get("role") == "img")


def test_groups_that_share_a_rate_are_one_line() -> None:
    page = run_charts(long_run())
    rates = page[page.index("Learning rate") :]
    names = re.findall(r"</svg>([^<]*)</span>", rates)
    assert names[:2] == ["head", "backbone.0 to 1"]


def test_a_bare_log_has_what_it_tells() -> None:
    past = TrainingLog(tuple(Point(n, loss=1.0, iou=0.5, lr=1e-4) for n in (87, 88, 106)))
    assert titles(run_charts(past)) == ["IoU", "Loss", "Learning rate"]
    assert titles(run_charts(TrainingLog((Point(3, loss=1.0),)))) == ["Loss"]
    assert titles(run_charts(TrainingLog((Point(3, mae=0.1),)))) == []


def test_nothing_known_is_nothing_drawn() -> None:
    assert run_charts(TrainingLog(())) == ""


def test_an_exploding_loss_is_told_on_a_log_scale() -> None:
    losses = [0.3] * 10 + [50.0, math.nan, math.inf, 1e300]
    past = TrainingLog(tuple(Point(n, loss=v) for n, v in enumerate(losses, start=1)))
    assert titles(run_charts(past)) == ["Loss, log scale"]
    calm = TrainingLog(tuple(Point(n, loss=v) for n, v in enumerate(losses[:10], start=1)))
    assert titles(run_charts(calm)) == ["Loss"]


def test_a_forecast_is_drawn_on() -> None:
    fan = ChartFan([13, 14], {q: [0.4 + q / 10, 0.45 + q / 10] for q in (0.1, 0.5, 0.9)})
    page = run_charts(long_run(), 0.72, fan)
    assert "shaded: forecast" in page
    assert "forecast: 10% to 90%" in page
    assert "forecast" not in run_charts(long_run(), 0.72)


def test_the_best_is_the_first_of_equals() -> None:
    points = [Point(1, iou=0.1), Point(2, iou=0.4), Point(3, iou=0.4), Point(4, iou=math.nan)]
    best = best_point(points)
    assert best is not None
    assert best.epoch == 2
    assert best_point([Point(1)]) is None
