import os
import signal
import threading
import time

import pytest

from decamo.stop_signals import StoppedAtOnce, StopRequests, stop_requests
from decamo.system import stop_signals
from decamo.training.stops import Stop, StopEars, StopKind


@pytest.mark.parametrize("number", stop_signals())
def test_the_first_signal_waits_to_be_asked_for_and_the_second_does_not(number: int) -> None:
    with stop_requests() as requests:
        requests.patient = True
        assert requests.why() == ""
        os.kill(os.getpid(), number)
        assert requests.number == number
        assert requests.why() == f"on {signal.Signals(number).name}"
        requests.clock = lambda: time.monotonic() + 1
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


@pytest.mark.parametrize(
    ("first", "second", "seconds", "insists"),
    [
        ("SIGTERM", "SIGTERM", 0.01, False),  # timeout(1): the process, then its group
        ("SIGINT", "SIGTERM", 0.3, False),  # torchrun passes Ctrl-C on as SIGTERM
        ("SIGHUP", "SIGHUP", 2.0, False),  # the kernel's, and the shell's
        ("SIGHUP", "SIGTERM", 0.0, False),  # systemd sends both
        ("SIGXCPU", "SIGXCPU", 1.0, False),  # each second until the hard limit
        ("SIGUSR1", "SIGUSR1", 60.0, False),
        ("SIGUSR1", "SIGTERM", 30.0, True),  # Slurm's notice, then its end
        ("SIGINT", "SIGINT", 1.5, True),
        ("SIGTERM", "SIGINT", 5.0, True),
    ],
)
def test_what_comes_twice_for_one_wish_does_not_insist(
    first: str, second: str, seconds: float, insists: bool
) -> None:
    now = [0.0]
    requests = StopRequests(lambda: now[0])
    requests.patient = True
    requests.take(signal.Signals[first])
    now[0] = seconds
    if insists:
        with pytest.raises(StoppedAtOnce):
            requests.take(signal.Signals[second])
    else:
        requests.take(signal.Signals[second])
    assert requests.why() == f"on {first}"


@pytest.mark.parametrize("number", stop_signals())
def test_what_was_ignored_on_purpose_stays_so(number: signal.Signals) -> None:
    """As nohup does with SIGHUP; Ctrl-C and SIGTERM are heard all the same."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with stop_requests() as requests:
            requests.patient = True
            signal.raise_signal(number)
            heard = requests.number == number
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
    assert heard == (number in (signal.SIGINT, signal.SIGTERM))


def test_another_thread_than_the_main_one_has_none_to_take() -> None:
    found: list[str] = []

    def run() -> None:
        with stop_requests() as requests:
            found.append(requests.why())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [""]


def test_the_first_reason_in_order_is_kept_with_its_kind() -> None:
    ears, said = StopEars(), {StopKind.SIGNAL: "", StopKind.BUDGET: ""}

    def ask() -> str:
        return ears.ask({kind: lambda kind=kind: said[kind] for kind in said})  # type: ignore[misc]

    assert (ask(), ears.heard) == ("", None)
    said[StopKind.BUDGET] = "the budget is spent"
    assert ask() == "the budget is spent"
    said[StopKind.SIGNAL] = "on SIGTERM"
    assert ask() == "on SIGTERM"
    assert ears.heard == Stop(StopKind.BUDGET, "the budget is spent")


def test_later_sources_are_not_asked_once_one_has_a_reason() -> None:
    def never() -> str:
        raise AssertionError

    assert StopEars().ask({StopKind.SIGNAL: lambda: "on SIGINT", StopKind.BUDGET: never})
