import itertools

from decamo.schedule import LRSchedule, Stage, Unfreezing, backbone_group


def stage(**changes: object) -> Stage:
    values: dict[str, object] = {
        "number": 2,
        "first_epoch": 31,
        "epochs": 3,
        "first_step": 100,
        "steps_per_epoch": 10,
        "micro_batch": 2,
        "accumulation": 4,
        "img_size": 384,
        "curve": LRSchedule("cosine", 1e-3, 1e-4, 30),
        "offset": 0,
        "rewarm": 0,
        "unfreezings": (Unfreezing(100, frozenset({"head"})),),
    }
    return Stage(**(values | changes))  # type: ignore[arg-type]


def test_extent() -> None:
    s = stage()
    assert (s.steps, s.end_step, s.last_epoch) == (30, 130, 33)


def test_rate_counts_from_the_first_step() -> None:
    assert stage().lr(100) == 1e-3
    assert stage().lr(129) == 1e-4


def test_offset_joins_the_curve_midway() -> None:
    joined = stage(curve=LRSchedule("cosine", 1e-3, 1e-4, 60), offset=30)
    assert joined.lr(100) == LRSchedule("cosine", 1e-3, 1e-4, 60).at(30)
    assert joined.lr(129) == 1e-4


def test_rewarming_rises_from_the_floor_to_the_joined_curve() -> None:
    curve = LRSchedule("cosine", 1e-3, 1e-4, 60)
    joined = stage(curve=curve, offset=30, rewarm=5)
    rates = [joined.lr(100 + i) for i in range(6)]
    assert all(a < b for a, b in itertools.pairwise(rates))
    assert rates[0] < 0.5 * curve.at(30)
    assert rates[5] == curve.at(35)


def test_unfreezings_add_up() -> None:
    unfreezing = stage(
        unfreezings=(
            Unfreezing(100, frozenset({"head"})),
            Unfreezing(110, frozenset({backbone_group(3)})),
        )
    )
    assert unfreezing.learning(109) == {"head"}
    assert unfreezing.learning(110) == {"head", "backbone.3"}
