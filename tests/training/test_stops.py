import os
import signal

import pytest

from decamo.training.stops import StoppedAtOnce, StopRequests, stop_requests


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_waits_to_be_asked_for_and_the_second_does_not(number: int) -> None:
    with stop_requests() as requests:
        requests.patient = True
        assert requests.why() == ""
        os.kill(os.getpid(), number)
        assert requests.number == number
        assert requests.why() == f"on {signal.Signals(number).name}"
        with pytest.raises(StoppedAtOnce) as stop:
            signal.raise_signal(signal.SIGTERM)
        assert stop.value.number == signal.SIGTERM
        assert requests.number == number


def test_before_there_is_anything_to_save_every_signal_stops_at_once() -> None:
    with pytest.raises(StoppedAtOnce):
        StopRequests().take(signal.SIGINT)


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with stop_requests():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
