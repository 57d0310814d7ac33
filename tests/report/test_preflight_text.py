import pytest

from decamo.report.plan_text import dry_run_text
from decamo.schedule import DryRun, RehearsedStage

FLIGHT = DryRun(
    stages=(
        RehearsedStage(1, 30, 100, 0.5, 1, 2**30),
        RehearsedStage(2, 90, 200, 2.0, 4, 12 * 2**30),
    ),
    val_seconds=60.0,
    save_seconds=3.0,
    load_seconds=1.0,
    file_bytes=290_000_000,
    disk_bytes=1_450_000_000,
)


def test_the_whole_is_the_sum_of_steps_validations_and_saves() -> None:
    assert FLIGHT.seconds == 30 * (50 + 63) + 90 * (400 + 63)


def test_a_newcomer_can_read_it() -> None:
    assert dry_run_text(FLIGHT, 12 * 3600.0).splitlines() == [
        "stage  epochs left  a step  an epoch  in all     memory  micro-batch",
        "    1           30  0.50 s       50s     25m   1.00 GiB        whole",
        "    2           90  2.00 s        7m  10h00m  12.00 GiB  in 4 pieces",
        "a validation 1m; a save 3.0 s, read back and compared in 1.0 s",
        "a checkpoint 290 MB; the folder may need 1.4 GB more, which are free",
        "the whole plan: 12h31m, 2 sessions of 12h00m",
    ]


@pytest.mark.parametrize(("budget", "end"), [(None, "12h31m"), (50000.0, "1 session of 13h53m")])
def test_sessions_are_counted_where_there_is_a_budget(budget: float | None, end: str) -> None:
    assert dry_run_text(FLIGHT, budget).endswith(end)
