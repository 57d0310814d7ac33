"""Processes that know each other, as threads over one store."""

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._C._distributed_c10d import HashStore, PrefixStore

from decamo.data.waiting import StopAsked
from decamo.errors import DataError, PeerLost, SettingsError
from decamo.training import peers as module
from decamo.training import roll_call
from decamo.training import runtime as runtime_module
from decamo.training.peers import Beat, Peers
from decamo.training.runtime import Runtime, first_process_first, open_runtime


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BEAT_S", 0.02)
    monkeypatch.setattr(module, "_SILENT_S", 0.3)


def _pair(world: int = 2) -> list[Peers]:
    store, command = HashStore(), HashStore()
    group = [Peers(store, command, Beat(rank, f"node{rank}"), world) for rank in range(world)]
    for one in group:
        store.set(f"beat/{one.me.rank}", one.me.to_json())
    return group


def _raised(work: Callable[[], Any]) -> PeerLost:
    with pytest.raises(PeerLost) as caught:
        work()
    return caught.value


def test_a_first_process_may_take_long_while_it_lives() -> None:
    first, second = _pair()
    first.start()
    waited = threading.Thread(target=second.wait_for_first)
    waited.start()
    time.sleep(0.6)  # twice as long as one that is silent is waited for
    assert waited.is_alive()
    first.first_done()
    waited.join(5)
    assert not waited.is_alive()
    first.leave()


def test_where_the_first_is_asked_to_stop_all_are() -> None:
    """It lives on, and will never do what they wait for."""
    first, second = (
        Runtime(torch.device("cpu"), rank=one.me.rank, world=2, peers=one) for one in _pair()
    )
    entered: list[int] = []

    def look(runtime: Runtime) -> None:
        with runtime.main_first():
            entered.append(runtime.rank)
            raise StopAsked("the budget is spent")

    for runtime in (first, second):
        with pytest.raises(StopAsked, match="the budget is spent"):
            look(runtime)
    assert entered == [0]


def test_one_that_is_silent_is_named_with_what_it_did() -> None:
    first, second = _pair()
    first.say("looking at the images")  # and never again
    lost = _raised(second.wait_for_first)
    assert str(lost).startswith(
        "torchrun: process 0 (node0) has been silent for 0 s, in looking at the images; the same"
    )
    assert lost.exit_code == 75


def test_a_mistake_of_one_is_that_of_all() -> None:
    first, second = _pair()
    first.leave(DataError("--dataset-path", "x is not there", "name another"))
    lost = _raised(second.wait_for_first)
    assert "ended in the start: --dataset-path: x is not there; name another" in str(lost)
    assert lost.exit_code == 2


def test_a_broken_collective_names_who_is_gone() -> None:
    """Process 2 ended because of process 1: it is not named for it."""
    alive, gone, follower = _pair(3)
    alive.start()
    gone.say("epoch 7")
    follower.leave(PeerLost("torchrun", "process 1 is gone", "go on"))

    def break_it() -> None:
        with alive.collective():
            raise RuntimeError("Connection reset by peer")

    assert "process 1 (node1) is gone; it was last heard of in epoch 7" in str(_raised(break_it))
    alive.leave()


def test_a_wait_without_an_answer_is_ended_by_the_thread(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As NCCL's never returns: the process ends with the reason, though its main thread hangs."""
    monkeypatch.setattr(module, "_GRACE_S", 0.1)
    first, second = _pair()
    ended: list[int] = []
    over = threading.Event()
    first.end = lambda code: (ended.append(code), over.set())  # type: ignore[assignment,func-returns-value]
    second.say("a validation")
    first.start()
    with first.collective():
        assert over.wait(5)
    first.leave()
    assert set(ended) == {75}
    assert "decamo: torchrun: process 1 (node1) has been silent" in capsys.readouterr().err


def test_marks_outlive_a_group_and_its_age_counts_from_the_first() -> None:
    first, _ = _pair()
    assert not first.remembers("saved")
    first.remember("saved")
    early = first.age()
    again = Peers(HashStore(), first.command, Beat(0, "node0"), 2)
    assert again.remembers("saved")
    time.sleep(0.05)
    assert again.age() >= early + 0.05


def test_the_names_of_dead_processes_are_not_answered() -> None:
    """A store that holds the hello and the call of a group that was killed: a new group forms."""
    command = HashStore()
    dead = [Beat(rank, "dead") for rank in range(3)]
    deadline = time.monotonic() + 10
    command.set("hello/1", "of a dead process")
    command.set("hello/2", "of another")
    command.set("call", '["old", ["of a dead process", "of another"]]')
    for beat in dead:
        command.set(f"old/beat/{beat.rank}", beat.to_json())
    command.set("old/go", "go")
    names: dict[int, str] = {}

    def join(rank: int) -> None:
        part = roll_call._convene if rank == 0 else roll_call._attend
        names[rank] = part(command, Beat(rank, "new"), 3, deadline)

    threads = [threading.Thread(target=join, args=(rank,)) for rank in (0, 1, 2)]
    for thread in threads:
        thread.start()
        time.sleep(0.1)  # the first one calls the dead before the others come
    for thread in threads:
        thread.join(10)
    assert len(names) == 3
    assert len(set(names.values())) == 1
    assert names[0] != "old"
    group = PrefixStore(names[0], command)
    assert all(b'"new"' in group.get(f"beat/{rank}") for rank in (0, 1, 2))


def test_those_that_do_not_come_are_counted() -> None:
    command = HashStore()
    lost = _raised(lambda: roll_call._convene(command, Beat(0, "new"), 3, time.monotonic()))
    assert "1 of 3 processes have come" in str(lost)


class _Gone:
    """A store whose keeper has ended."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(*_: object) -> None:
            raise RuntimeError("Connection reset by peer")

        return fail


def test_where_the_store_is_gone_so_is_the_first_process() -> None:
    _, second = _pair()
    second.store = _Gone()
    second.say("epoch 3")
    lost = _raised(second.wait_for_first)
    assert "process 0, which keeps the list of all, is gone; this one is in epoch 3" in str(lost)


def test_a_wait_for_a_store_that_is_gone_is_ended_by_the_thread(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_GRACE_S", 0.1)
    _, second = _pair()
    ended: list[int] = []
    over = threading.Event()
    second.end = lambda code: (ended.append(code), over.set())  # type: ignore[assignment,func-returns-value]
    second.store = _Gone()
    second.start()
    with second.collective():
        assert over.wait(5)
    second.leave()
    assert set(ended) == {75}
    assert "process 0, which keeps the list of all, is gone" in capsys.readouterr().err


def _broken(peers: Peers) -> PeerLost:
    def break_it() -> None:
        with peers.collective():
            raise RuntimeError("Connection reset by peer")

    return _raised(break_it)


def test_a_broken_collective_says_what_another_one_ended_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The keeper of the store lingers, so that the others can read its last word."""
    lingered: list[float] = []
    first, second = _pair()
    first.keeps = True
    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", lingered.append)
        first.leave(ZeroDivisionError("division by zero"))
    assert lingered == [module._LINGER_S]
    assert "ended in the start: ZeroDivisionError: division by zero" in str(_broken(second))


def test_a_broken_collective_of_one_that_only_followed_names_that() -> None:
    first, second = _pair()
    first.leave(PeerLost("torchrun", "process 7 is gone", "go on"))
    assert "process 0 (node0): ended in the start: torchrun: process 7" in str(_broken(second))


def test_a_broken_collective_of_processes_that_live_says_what_they_do() -> None:
    first, second = _pair()
    first.say("a validation")
    second.say("epoch 7")
    first.start()
    lost = _broken(second)
    first.leave()
    assert "no answer in epoch 7 (Connection reset by peer); process 0 (node0) in a val" in str(
        lost
    )


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[Peers]:
    """Two that have found each other; ``RANK`` says which of them this process is."""
    group = _pair()
    monkeypatch.setattr(runtime_module, "join_group", lambda rank, _world: group[rank])
    monkeypatch.setenv("WORLD_SIZE", "2")
    return group


@pytest.mark.usefixtures("joined")
def test_work_before_all_others_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def work() -> int:
        done.append("done")
        return 7

    monkeypatch.setenv("RANK", "0")
    assert first_process_first(work) == 7
    monkeypatch.setenv("RANK", "1")
    assert first_process_first(work) is None
    assert done == ["done"]


@pytest.mark.usefixtures("joined")
def test_work_that_fails_before_all_others_ends_them_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def work() -> None:
        raise DataError("--mirror", "no such bucket", "name another")

    monkeypatch.setenv("RANK", "0")
    with pytest.raises(DataError, match="no such bucket"):
        first_process_first(work)
    monkeypatch.setenv("RANK", "1")
    assert "--mirror: no such bucket; name another" in str(
        _raised(lambda: first_process_first(work))
    )


def test_the_one_that_is_left_under_torchrun_still_knows_its_command(
    joined: list[Peers], monkeypatch: pytest.MonkeyPatch
) -> None:
    joined[0].remember("saved")
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a command")
    runtime = open_runtime("cpu", "fp32")
    assert (runtime.world, runtime.is_main) == (1, True)
    assert runtime.remembers("saved")


def test_several_processes_without_an_address_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match=r"WORLD_SIZE: got 2, but MASTER_ADDR .* torchrun, or"):
        roll_call.join_group(1, 2)


def test_a_first_process_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:  # bound, but nobody listens
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
        monkeypatch.setenv("MASTER_PORT", str(port))
        monkeypatch.setattr(roll_call, "JOIN_S", 0.3)
        lost = _raised(lambda: roll_call.join_group(1, 2))
    assert f"process 0 does not answer at 127.0.0.1:{port} (" in str(lost)


def test_a_group_is_joined_once(joined: list[Peers], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll_call, "_joined", [joined[1]])
    assert roll_call.join_group(1, 2) is joined[1]
    roll_call.leave(joined[1])
    assert roll_call._joined == []
