import math
from typing import Any

from decamo.history import LogSegment, Point, TrainingLog
from decamo.report.run_figures import epoch_table, file_table, lineage_table, settings_table
from decamo.storage.run_folder import Content
from tests.report.reader import Reader


def test_lineage_tells_which_epochs_each_stretch_lived() -> None:
    stretches = (
        LogSegment(1, "start", "a new run", baseline_iou=0.01),
        LogSegment(4, "branch", "--lr <b>"),
        LogSegment(9, "", ""),
    )
    points = tuple(Point(n) for n in range(1, 7))
    text = Reader(lineage_table(TrainingLog(points, stretches))).text
    for words in ("start", "1 to 3", "0.0100", "4 to 6", "--lr <b>", "unknown", "none finished"):
        assert words in text
    assert lineage_table(TrainingLog(points)) == ""


def test_epochs_have_the_columns_that_are_known() -> None:
    points = [Point(1, loss=2.0, iou=0.25), Point(2, loss=math.nan), Point(3, iou=0.5)]
    read = Reader(epoch_table(points))
    assert len(read.all("th")) == 3
    text = " ".join(read.text.split())
    assert "1 2.0000 0.2500 2 not a number 3 0.5000" in text
    assert "Every epoch" in text


def test_many_epochs_are_thinned_and_it_is_said() -> None:
    read = Reader(epoch_table([Point(n, iou=0.5) for n in range(1, 1001)]))
    assert len(read.all("tr")) == 335
    assert "One in 3 of 1000 epochs" in read.text


def test_settings_tell_what_was_chosen() -> None:
    settings: dict[str, dict[str, Any]] = {
        "data": {"dataset_path": ["/a<b>", "/c"], "noncam": "drop"},
        "schedule": {"min_lr": 1e-5, "epochs": 99},
        "future": {"unheard_of": None},
    }
    page = settings_table(settings)
    read = Reader(page)
    assert len(read.all("tr")) == 1 + 5
    for words in ("--dataset-path", "/a<b>, /c", "--min-lr", "0.00001", "--unheard-of", "none"):
        assert words in read.text
    assert '<b><span class="long">99</span></b>' in page
    assert "<b>" not in page[page.index("--noncam") : page.index("--min-lr")]


def test_files_have_sizes_people_read() -> None:
    files = [Content("best_model.pth", "the best", 34_455_983), Content("a<b>", "", 999)]
    files += [Content("x", "", 12_345), Content("y", "", 5 * 10**9)]
    text = Reader(file_table(files)).text
    for words in ("best_model.pth", "34.5 MB", "the best", "a<b>", "999 B", "12.3 kB", "5.0 GB"):
        assert words in text
