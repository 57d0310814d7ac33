from decamo.evaluation.speed import compare_speed


def test_both_suites_are_timed() -> None:
    times = compare_speed((96, 128), repeats=3)
    assert 0 < times["decamo_ms"] < times["pysodmetrics_ms"]
    assert times["ratio_low"] <= times["ratio"] <= times["ratio_high"]
