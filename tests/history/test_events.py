from dataclasses import FrozenInstanceError
from typing import get_args

import pytest

from decamo import history
from decamo.history import Event, EventListener, Interrupted, Journal
from decamo.history.events import __all__ as names
from decamo.report.console import Console
from decamo.schedule import Position
from decamo.trackers.tensorboard import TensorBoard


def test_an_event_is_any_of_the_room_but_the_listener() -> None:
    others = {"EpochRecord", "Event", "EventListener", "StepRecord"}
    assert {cls.__name__ for cls in get_args(Event)} == set(names) - others


def test_every_event_can_be_had_from_the_room() -> None:
    assert set(names) <= set(history.__all__)


def test_listeners_cannot_change_an_event_for_those_after_them() -> None:
    event = Interrupted(Position(), "on request")

    with pytest.raises(FrozenInstanceError):
        event.position = Position(3)  # type: ignore[misc]


def test_who_hears_is_a_listener() -> None:
    # Checked by mypy: each of them fits the protocol.
    listeners: list[type[EventListener]] = [Journal, Console, TensorBoard]

    assert all(callable(cls.on_event) for cls in listeners)
