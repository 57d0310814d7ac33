import math
import re

from decamo.report.svg_chart import strips
from decamo.report.svg_parts import AxisScale, Chart, ChartFan, Line

Y = AxisScale(0, 1, 200, 10)


def titles(chart: Chart, last: float) -> list[str]:
    found = "".join(strips(chart, AxisScale(0.5, last + 0.5, 40, 390), Y))
    return re.findall(r"<title>(.*?)</title>", found)


def test_each_epoch_tells_what_is_known_of_it() -> None:
    lines = [Line("IoU", [(1, 0.1), (2, math.nan)]), Line("Di<ce", [(1, 0.2), (2, None), (3, 0.5)])]
    assert titles(Chart("c", lines), 3) == [
        "epoch 1: IoU 0.1000, Di&lt;ce 0.2000",
        "epoch 2: IoU not a number",
        "epoch 3: Di&lt;ce 0.5000",
    ]


def test_epochs_to_come_tell_their_forecast() -> None:
    fan = ChartFan([2, 3], {0.1: [0.2, 0.25], 0.5: [0.3, 0.4], 0.9: [0.4, 0.5]})
    assert titles(Chart("c", [Line("IoU", [(1, 0.3)])], fan=fan), 3) == [
        "epoch 1: IoU 0.3000",
        "epoch 2: forecast 0.3000, 0.2000 to 0.4000 with 80%",
        "epoch 3: forecast 0.4000, 0.2500 to 0.5000 with 80%",
    ]


def test_strips_fill_the_axes_side_by_side() -> None:
    chart = Chart("c", [Line("IoU", [(n, 0.5) for n in range(1, 6)])])
    found = "".join(strips(chart, AxisScale(0.5, 5.5, 40, 390), Y))
    lefts = [float(v) for v in re.findall(r' x="([0-9.]+)"', found)]
    assert lefts == [40, 110, 180, 250, 320]
    assert set(re.findall(r'width="([0-9.]+)"', found)) == {"70.0"}
    assert set(re.findall(r'height="([0-9.]+)"', found)) == {"190.0"}


def test_very_many_epochs_have_not_as_many_strips() -> None:
    chart = Chart("c", [Line("IoU", [(n, 0.5) for n in range(1, 10_001)])])
    assert len(titles(chart, 10_000)) <= 240
