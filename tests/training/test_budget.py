from dataclasses import dataclass
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from decamo.history import Saved
from decamo.schedule import Position
from decamo.training.stops import Budget


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def saved(seconds: float) -> Saved:
    return Saved(Path("last.pth"), Position(), seconds)


def test_there_is_time_until_a_step_and_a_save_no_longer_fit() -> None:
    clock = Clock()
    budget = Budget("1m", 60.0, clock, began=1000.0)
    budget.on_event(saved(4.0))
    told = []
    for _ in range(12):
        told.append(budget.spent())
        clock.now += 5.0
    # after 45 s: 45 + 1.5 x (5 + 4) + 2 = 60.5 > 60
    assert told.index("the budget of 1m is spent") == 9


def test_time_is_kept_for_what_follows_the_last_save() -> None:
    clock = Clock()
    budget = Budget("1m", 60.0, clock, began=1000.0, reserve=lambda: 10.0)
    budget.on_event(saved(4.0))
    clock.now += 36.0
    assert not budget.over()  # 36 + 1.5 x (4 + 10) + 2 = 59
    clock.now += 2.0
    assert budget.over()
    assert budget.spent()


def test_a_save_is_not_counted_as_work() -> None:
    clock = Clock()
    budget = Budget("1h", 3600.0, clock, began=1000.0)
    budget.spent()
    clock.now += 2000.0
    budget.on_event(saved(2000.0))
    clock.now += 5.0
    assert budget.spent()  # 2005 + 1.5 x 2000 > 3600: another such save would not fit
    quick = Budget("1h", 3600.0, clock, began=1000.0)
    quick.spent()
    clock.now += 1.0
    quick.on_event(saved(1.0))
    assert not quick.spent()


def test_what_took_long_once_is_forgotten_after_fifty_pieces() -> None:
    clock = Clock()
    budget = Budget("10m", 600.0, clock, began=1000.0)
    budget.spent()
    clock.now += 200.0  # the first step of all: memory is laid out, files are read for once
    for _ in range(55):
        assert not budget.spent()
        clock.now += 1.0
    clock.now = 1000.0 + 590.0
    budget._asked = clock.now - 1.0
    assert not budget.spent()


@given(
    st.lists(st.floats(0.1, 10), min_size=5, max_size=200),
    st.floats(0, 20),
    st.floats(60, 500),
)
def test_steps_at_most_half_longer_than_seen_never_overrun(
    steps: list[float], save: float, seconds: float
) -> None:
    clock = Clock()
    budget = Budget("x", seconds, clock, began=1000.0)
    budget.on_event(saved(save))
    budget.spent()
    clock.now += 10.0  # the longest step of all comes first
    for step in steps:
        if budget.spent():
            break
        clock.now += step
    else:
        return
    if clock.now - 1000.0 > 10.0:  # not even one step would have fitted otherwise
        assert clock.now - 1000.0 + save <= seconds + 1e-6


def test_a_wait_ends_when_only_the_save_still_fits_and_is_no_work() -> None:
    clock = Clock()
    budget = Budget("1m", 60.0, clock, began=1000.0)
    budget.on_event(saved(4.0))
    assert budget.spent() == ""
    told = []
    for _ in range(60):
        told.append(budget.over())
        clock.now += 1.0
    # after 52 s: 52 + 1.5 x 4 + 2 = 60; a second later it is over
    assert told.index("the budget of 1m is spent") == 53
    assert not budget._work


def test_what_is_left_is_counted_from_the_commands_begin() -> None:
    assert Budget("1m", 60.0, lambda: 25.0, began=10.0).left == 45.0


def test_work_elsewhere_ends_in_time_for_its_longest_piece_and_a_save() -> None:
    """Asked often meanwhile, which says nothing of the pieces."""
    clock = Clock()
    budget = Budget("10m", 600.0, clock, began=clock.now)
    end = clock.now + 600.0
    clock.now = end - 3.0
    assert budget.over() == ""  # with nothing to come
    budget.on_piece(20.0)
    budget.on_piece(5.0)
    clock.now = end - 1.5 * 20.0 - 2.5
    assert budget.over() == ""
    clock.now += 1.0
    assert budget.over() == "the budget of 10m is spent"
