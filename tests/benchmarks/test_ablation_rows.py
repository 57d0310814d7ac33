from dataclasses import replace
from pathlib import Path

from benchmarks.ablation_rows import BASE, ROWS
from benchmarks.quality_terms import Terms
from decamo.inference.views import Views

TERMS = Terms((Path("x"),))


def test_every_row_differs_from_the_base_in_something_and_from_all_others() -> None:
    seen = [(BASE.entry, BASE.terms(TERMS))]
    for name, row in ROWS.items():
        asked = (replace(row.entry, name=""), row.terms(TERMS))
        assert asked not in seen, name
        seen.append(asked)


def test_rows_of_one_name_share_one_training() -> None:
    trained: dict[str, object] = {}
    for row in [BASE, *ROWS.values()]:
        settings = row.terms(TERMS).settings(row.entry, 0, 10, Path())
        key = (settings, row.entry.recipe.draw, row.entry.teacher)
        assert trained.setdefault(row.entry.slug, key) == key


def test_a_row_leaves_what_it_does_not_change() -> None:
    asked = replace(TERMS, views=Views(True), decision="iou", img_size=128)
    assert ROWS["1 expert"].terms(asked) == asked
    assert ROWS["image of 3/4"].terms(asked) == replace(asked, img_size=96)
    assert ROWS["flips and three scales"].terms(asked).decision == "iou"
