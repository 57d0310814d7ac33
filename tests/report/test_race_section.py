from dataclasses import replace

from decamo.report.race_section import RaceTold, race_section

TOLD = RaceTold(
    epoch=86,
    epochs=3,
    heads=("branch", "IoU", "difference", "asks"),
    rows=(("rate-x10", "0.4563", "+0.0082", "is it <far> too low?"), ("control", "0.4481", "", "")),
    notes=("the intervals hold together",),
    answer="winner: rate-x10",
    winner="rate-x10",
    meanings=(("rate too low", "the learning rate was too low", ("rate-x10 - control: +0.0082",)),),
)


def test_all_of_it_is_told_and_nothing_is_markup() -> None:
    page = race_section([TOLD])
    assert "After epoch 86: winner: rate-x10" in page
    assert "<b>rate-x10</b>" in page
    assert "<b>control</b>" not in page
    assert "is it &lt;far&gt; too low?" in page
    assert "The intervals hold together" in page
    assert "Rate too low" in page
    assert "+0.0082)" in page


def test_no_race_is_no_section_and_each_has_its_table() -> None:
    assert race_section([]) == ""
    assert race_section([TOLD, replace(TOLD, epoch=40)]).count("<table>") == 2


def test_a_row_of_another_width_is_left_out() -> None:
    page = race_section([replace(TOLD, rows=(*TOLD.rows, ("torn",)))])
    assert "torn" not in page
