import csv
import io
from dataclasses import replace

from decamo.evaluation import MEASURES
from decamo.report.score_files import scores_csv, scores_latex, scores_markdown
from tests.report.scores import made

SCORES = [made("A_1", "X"), made("B", "X", 120), made("A_1", "Y")]


def test_csv_has_a_line_for_each_measure_of_each_group() -> None:
    rows = list(csv.DictReader(io.StringIO(scores_csv(SCORES))))
    assert len(rows) == sum(len(MEASURES) * (1 + len(s.groups)) for s in SCORES)
    (iou,) = [r for r in rows if (r["method"], r["dataset"], r["by"], r["measure"])
              == ("B", "X", "", "iou")]  # fmt: skip
    assert float(iou["value"]) == SCORES[1].whole.scores.iou
    assert (float(iou["low"]), float(iou["high"])) == SCORES[1].whole.intervals["iou"]
    assert iou["images"] == "6"
    assert {r["protocol"] for r in rows} == {"plain"}


def test_markdown_has_methods_down_and_sets_across_with_the_best_in_bold() -> None:
    name, gap, head, rule, first, second = scores_markdown(SCORES).splitlines()
    assert name.startswith("Plain protocol: maps as they are; ")
    assert name.endswith(".")
    assert gap == ""
    assert head.startswith("| method (plain protocol) |")
    assert head.count("|") == rule.count("|") == first.count("|") == second.count("|") == 14
    assert first.startswith("| A_1 | **")  # less noise, higher S
    assert second.rstrip(" |").endswith("-")  # B was not scored on Y
    assert f"{SCORES[0].whole.scores.mae:.3f}" in first
    alone = scores_markdown(SCORES[:1])
    assert "**" not in alone  # of one there is no best


def test_the_lowest_mae_is_the_best() -> None:
    whole = SCORES[0].whole
    low = replace(SCORES[0], whole=replace(whole, scores=replace(whole.scores, mae=0.0)))
    high = replace(low, method="C", whole=replace(whole, scores=replace(whole.scores, mae=0.5)))
    text = scores_markdown([low, high])
    assert "**0.000**" in text
    assert "**0.500**" not in text


def test_latex_prints_as_papers_do() -> None:
    text = scores_latex(SCORES)
    assert text.startswith("% plain protocol: maps as they are; ")
    assert r"\textit{plain protocol} & \multicolumn" in text
    assert r"\begin{tabular}{lcccccccccccc}" in text
    assert r"\multicolumn{6}{c}{X (6 images)} & \multicolumn{6}{c}{Y (6 images)}" in text
    assert r"\cmidrule(lr){2-7}\cmidrule(lr){8-13}" in text
    row = next(line for line in text.splitlines() if line.startswith(r"A\_1"))
    assert rf"\textbf{{{f'{SCORES[0].whole.scores.s:.3f}'[1:]}}}" in row
    assert row.count("&") == 12
    assert row.endswith(r"\\")
