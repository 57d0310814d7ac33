from decamo.report import spending_text
from decamo.schedule import Spending


def test_table_multiplies_epochs_and_marks_the_unknown() -> None:
    rows = spending_text(
        [
            Spending(2, 34, 600.0, 3 * 2**30, "epochs 80 to 86"),
            Spending(3, 5, None, None, "unknown"),
        ]
    ).splitlines()

    assert rows[0].split() == [
        "stage",
        "epochs",
        "left",
        "an",
        "epoch",
        "in",
        "all",
        "memory",
        "from",
    ]
    assert rows[1].split()[:6] == ["2", "34", "10m", "5h40m", "3.00", "GiB"]
    assert rows[2].split() == ["3", "5", "?", "?", "?", "unknown"]


def test_without_any_number_it_says_how_to_get_one() -> None:
    assert "--measure" in spending_text([Spending(1, 3, None, None, "")])
