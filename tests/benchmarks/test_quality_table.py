from dataclasses import replace

from benchmarks.quality_costs import NetworkCost
from benchmarks.quality_gaps import Gap
from benchmarks.quality_scores import SCORES, Score, SetScores
from benchmarks.quality_table import costs_markdown, gaps_markdown, scores_markdown


def score_of(network: str, seed: int, value: float) -> Score:
    found = SetScores(("a", "b"), dict.fromkeys(SCORES, (value, value + 0.1)))
    return Score({"network": network, "seed": seed}, 1, 1.0, "raw", {"CAMO": found})


def cells(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_costs() -> None:
    table = costs_markdown(
        {"FPN": NetworkCost(1_250_000, 2_500_000_000, 0.025, 1.0, 7_000_000)}, "FPN", {"FPN": 10}
    )
    header, rule, row = cells(table)
    assert len(header) == len(rule) == len(row)
    assert "x FPN" in header
    assert row == ["FPN", "1.25", "2.50", "25.0", "1.00", "7", "10"]


def test_scores_are_means_over_seeds_with_their_deviation() -> None:
    scores = [score_of("FPN", 0, 0.1), score_of("FPN", 1, 0.3), score_of("Unet", 0, 0.5)]
    text = scores_markdown(scores)
    assert text.startswith("**CAMO**, 2 images")
    rows = cells(text)[2:]
    assert rows[0] == ["FPN", *["0.2500 ± 0.1414"] * len(SCORES), "", "", "", "2"]
    assert rows[1] == ["Unet", *["0.5500"] * len(SCORES), "", "", "", "1"]


def test_calibration_is_told_where_all_runs_of_a_network_have_it() -> None:
    def calibrated(network: str, seed: int, ece: float, objects: tuple[float, ...]) -> Score:
        score = score_of(network, seed, 0.1)
        old = score.sets["CAMO"]
        shares = {"found_share": (0.1, 0.2), "object_share": objects}
        return replace(score, sets={"CAMO": replace(old, scores={**old.scores, **shares}, ece=ece)})

    scores = [
        calibrated("FPN", 0, 0.1, (0.1, 0.4)),
        calibrated("FPN", 1, 0.3, (0.1, 0.4)),
        calibrated("Unet", 0, 0.1, (0.1, 0.4)),
        score_of("Unet", 1, 0.1),
        calibrated("MAnet", 0, 0.1, (0.1, 0.19)),
    ]
    _, *rows = (row[-4:-1] for row in cells(scores_markdown(scores))[1:])
    assert rows == [
        ["0.2000 ± 0.1414", "0.150 of 0.250", "0.200 of 0.400"],
        ["", "", ""],
        ["0.1000", "0.150 of 0.145", ""],  # no large object
    ]


def test_gaps_carry_their_sign() -> None:
    gap = Gap("CAMO", "decamo-7", "FPN", "iou", 0.0123, -0.001, 0.03, 248, 2)
    row = cells(gaps_markdown([gap]))[2]
    assert row == ["CAMO", "decamo-7", "FPN", "IoU", "+0.0123", "-0.0010 to +0.0300", "2"]
    assert gaps_markdown([]) == ""
