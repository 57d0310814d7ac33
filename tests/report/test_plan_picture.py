from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from decamo.errors import StorageError
from decamo.report.plan_picture import draw_plan
from decamo.schedule import Position
from decamo.settings import ScheduleSettings
from tests.report.lineages import branched, started


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures that were saved."""
    saved: list[Figure] = []
    save = Figure.savefig

    def spy(self: Figure, *args: Any, **kwargs: Any) -> None:
        saved.append(self)
        save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", spy)
    return saved


def test_writes_a_picture_with_something_on_it(tmp_path: Path) -> None:
    resumption = branched()
    draw_plan(tmp_path / "plan.png", resumption.lineage, resumption.position)

    with Image.open(tmp_path / "plan.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape == (660, 1200, 3)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50


def test_curves_are_those_followed_and_to_be_followed(
    tmp_path: Path, figures: list[Figure]
) -> None:
    before, resumption = started().plan, branched()
    draw_plan(tmp_path / "plan.png", resumption.lineage, resumption.position)

    (figure,) = figures
    rates = figure.axes[0]
    points = [np.asarray(line.get_xydata()) for line in rates.lines]
    head_past, head_ahead, backbone_past, backbone_ahead = (p for p in points if len(p) > 2)
    plan = resumption.lineage.plan
    assert head_past[0].tolist() == [1, pytest.approx(before.lr(0))]
    assert head_past[-1][0] == pytest.approx(86.9)
    assert head_past[-1][1] == pytest.approx(before.lr(resumption.position.step - 1))
    assert head_ahead[0].tolist() == [87, pytest.approx(0.0002)]
    assert head_ahead[-1].tolist() == [pytest.approx(120.95), pytest.approx(0.00001)]
    assert backbone_ahead[0].tolist() == [87, pytest.approx(plan.ratios["backbone.3"] * 0.0002)]
    learned = backbone_past[~np.isnan(backbone_past[:, 1])]
    assert learned[0][0] == 31, "frozen before"
    opacity = [c.get_alpha() for c, p in zip(rates.lines, points, strict=True) if len(p) > 2]
    assert opacity == [0.4, 1, 0.4, 1]


def test_bars_below_show_when_each_group_learns(tmp_path: Path, figures: list[Figure]) -> None:
    draw_plan(tmp_path / "plan.png", started(), Position())

    axes = figures[0].axes[1]
    names = [t.get_text() for t in axes.get_yticklabels()]
    first: dict[str, float] = {}
    for bar in axes.patches:
        assert isinstance(bar, Rectangle)
        name = names[round(bar.get_y() + bar.get_height() / 2)]
        first[name] = min(first.get(name, 1e9), bar.get_x())
    assert first == {
        "head": 1,
        "backbone.3": 31,
        "backbone.2": 61,
        "backbone.1": 91,
        "backbone.0": 91,
    }


def test_whole_run_is_shown_and_the_position_named(tmp_path: Path, figures: list[Figure]) -> None:
    resumption = branched()
    draw_plan(tmp_path / "plan.png", resumption.lineage, resumption.position)

    rates = figures[0].axes[0]
    assert rates.get_xlim() == (1, 121)
    assert {t.get_text() for t in rates.texts} == {"stage 1", "stage 2", "branch, you are here"}


def test_in_the_middle_of_an_epoch_is_no_epoch_s_begin(
    tmp_path: Path, figures: list[Figure]
) -> None:
    lineage = started()
    plan = lineage.plan
    begin = plan.epoch_start(41)
    half = (plan.epoch_start(42) - begin) // 2
    draw_plan(tmp_path / "plan.png", lineage, Position(40, begin + half, 1))
    lines = figures[0].axes[0].lines
    here = [np.asarray(line.get_xdata())[0] for line in lines if line.get_linewidth() == 1.5]
    assert here == [41 + half / (plan.epoch_start(42) - begin)]


@pytest.mark.parametrize(
    "epoch", [3, 117, *(pytest.param(n, marks=pytest.mark.long) for n in (50, 84))]
)
def test_names_never_lie_on_each_other_nor_outside(
    tmp_path: Path, figures: list[Figure], epoch: int
) -> None:
    resumption = branched(epoch)
    lineage = resumption.lineage
    here = Position(epoch + 2, lineage.plan.epoch_start(epoch + 3))  # two epochs after the branch
    draw_plan(tmp_path / "plan.png", lineage, here)

    figure = figures[0]
    figure.canvas.draw()
    boxes = [t.get_window_extent() for t in figure.axes[0].texts]
    width, height = figure.bbox.width, figure.bbox.height
    for i, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


@pytest.mark.parametrize(
    "schedule",
    [
        ScheduleSettings(epochs=1, stage1_epochs=0),
        ScheduleSettings(epochs=2, stage1_epochs=1, stage3_epochs=1, min_lr=0),
        ScheduleSettings(scheduler="cosine_restart", backbone_lr_ratio=0, min_lr=0),
    ],
)
def test_odd_plans_are_drawn_too(tmp_path: Path, schedule: ScheduleSettings) -> None:
    draw_plan(tmp_path / "plan.png", started(schedule), Position())

    assert (tmp_path / "plan.png").stat().st_size > 1000


def test_unwritable_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(StorageError, match=r"Not a directory|File exists"):
        draw_plan(tmp_path / "a file" / "plan.png", started(), Position())
