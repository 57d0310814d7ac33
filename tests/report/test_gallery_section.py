from decamo.report.experts_section import Gallery, Shot, gallery_section
from tests.report.reader import Reader, outside


def test_cases_are_shown_by_sort_with_outlines() -> None:
    shots = [
        Shot(sort, f"Set/{n}<b>", iou, "QQ==", "Qg==")
        for sort, iou in (("best", 0.9), ("median", 0.6), ("worst", 0.0))
        for n in range(2)
    ]
    page = gallery_section(Gallery(shots, "weights & images"))
    read = Reader(page)
    assert len(read.all("figure")) == 6
    assert len(read.all("h3")) == 3
    assert [img["src"] for img in read.all("img")][:2] == [
        "data:image/jpeg;base64,QQ==",
        "data:image/jpeg;base64,Qg==",
    ]
    assert all(str(img["alt"]).startswith("Set/") for img in read.all("img"))
    for words in ("Best", "Median", "Worst", "IoU 0.900", "weights & images", "true outline"):
        assert words in read.text
    assert outside(page) == []


def test_why_there_are_none_is_said() -> None:
    read = Reader(gallery_section(Gallery(missing="/data<x>: nothing there")))
    assert "No pictures: /data<x>: nothing there." in read.text
    assert read.all("figure") == []
