"""Races on three Ray nodes: the table of the race that ran here, whoever died meanwhile."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from decamo.cluster import Share
from decamo.cluster.place import place_of
from decamo.history import EpochDone, Event, Saved, read_journal
from decamo.races.branch import CONTROL, TWIN, Branch
from decamo.races.outcome_table import outcome_text
from decamo.races.race import Race, open_race, race_outcome
from decamo.races.remote_trials import RemoteTrials
from decamo.races.trial_files import Result, read_result, write_result
from tests.races.build import BRANCHES, course, race
from tests.ray_cluster import Nodes, owner_of

EPOCHS = 3  # of which two are the first rung
MANY = (
    *BRANCHES,
    *(
        Branch(f"rate-{n}", "?", {"schedule": {"stage2_lr": n / 1000, "scheduler": "cosine"}})
        for n in range(1, 9)
    ),
)
Hear = Callable[[str, Event], None]


@dataclass(frozen=True)
class Here:
    """What a race that ran here, undisturbed, has ended with."""

    results: dict[str, Result]
    text: str


@pytest.fixture(scope="module")
def here(scenes: Path, stalled: Path, tmp_path_factory: pytest.TempPathFactory) -> Here:
    """Of the control and its twin."""
    root = tmp_path_factory.mktemp("here") / "here"
    one, why = raced(scenes, stalled, root, BRANCHES[:2])
    assert why == ""
    results = untimed(one.results(), root)
    return Here(results, outcome_text(race_outcome(one)))


def untimed(results: dict[str, Result], root: Path) -> dict[str, Result]:
    """Without what clocks said; written so, too, for the table has a column of it."""
    found = {}
    for name, result in results.items():
        rungs = {n: replace(r, seconds=0.0, train_seconds=0.0) for n, r in result.rungs.items()}
        found[name] = replace(result, rungs=rungs)
        write_result(root, found[name])
    return found


def epochs_trained(root: Path, name: str) -> Counter[int]:
    """How often each epoch of a trial was trained to its end, as its journal has it."""
    lines = read_journal(root / name / "journal.jsonl")
    return Counter(line["epoch"] for line in lines if line["kind"] == "epoch")


def kill_owner(folder: Path) -> bool:
    """Kill the process that trains in a folder, if one does."""
    process = owner_of(folder)
    if not process:
        return False
    assert process != os.getpid()
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
        return True
    return False


def kill_after_an_epoch(root: Path, name: str) -> bool:
    """Kill the process that trains a trial as soon as its first epoch has a result.

    Not when the epoch is heard of: by then a tiny trial may be over.
    """
    patience = time.monotonic() + 200
    while time.monotonic() < patience:
        if 1 in read_result(root, name).rungs:
            return kill_owner(root / name)
        time.sleep(0.002)
    return False


def raced(
    scenes: Path, stalled: Path, root: Path, branches: Sequence[Branch], *,
    nodes: Nodes | None = None, hear: Hear = lambda _name, _event: None,
    stop: Callable[[], str] = lambda: "", said: list[str] | None = None,
) -> tuple[Race, str]:  # fmt: skip
    """A race here, or on nodes, from wherever an earlier one left it, and why it stopped."""
    at = course(scenes, stalled, root, epochs=EPOCHS, stop=stop)
    open_race(at, branches)
    one = race(at, branches, hear)
    if nodes is None:
        return one, one.run()
    on, says = nodes.on, [] if said is None else said
    with place_of(on, Share(), root, device="cpu", precision="fp32", threads=1) as place:
        one.trials = RemoteTrials(place.runner, place.device, "fp32", says.append)
        return one, one.run()


@pytest.mark.long
def test_a_race_whose_worker_is_killed_has_the_table_of_one_that_ran_here(
    scenes: Path, stalled: Path, tmp_path: Path, three_nodes: Nodes, here: Here
) -> None:
    branches = BRANCHES[:2]
    there, told = tmp_path / "there", Counter[tuple[str, int]]()

    def hear(name: str, event: Event) -> None:
        if isinstance(event, EpochDone):
            told[name, event.record.epoch] += 1

    with ThreadPoolExecutor(1) as beside:
        killed = beside.submit(kill_after_an_epoch, there, CONTROL)
        race_there, why = raced(scenes, stalled, there, branches, nodes=three_nodes, hear=hear)
        assert (why, killed.result()) == ("", True)
    assert untimed(race_there.results(), there) == here.results
    assert outcome_text(race_outcome(race_there)) == here.text
    trained = epochs_trained(there, TWIN)
    assert trained == {3: 1, 4: 1, 5: 1}
    assert epochs_trained(there, CONTROL).keys() == trained.keys()
    assert told.keys() == {(name, epoch) for name in (CONTROL, TWIN) for epoch in (3, 4, 5)}


@pytest.mark.long
def test_stopped_there_it_goes_on_here(
    scenes: Path, stalled: Path, tmp_path: Path, three_nodes: Nodes, here: Here
) -> None:
    """All trials under way save first: no epoch is trained twice."""
    branches = BRANCHES[:2]
    there, heard = tmp_path / "there", list[Event]()
    _, why = raced(
        scenes, stalled, there, branches, nodes=three_nodes,
        hear=lambda _name, event: heard.append(event),
        stop=lambda: "on SIGTERM" if heard else "",
    )  # fmt: skip
    assert why == "on SIGTERM"
    done = {name: max(read_result(there, name).rungs, default=-1) for name in (CONTROL, TWIN)}
    assert min(done.values()) < EPOCHS
    assert not list(there.rglob(".owner*"))
    assert not list(there.glob(".seen*"))
    onward, why = raced(scenes, stalled, there, branches)
    assert why == ""
    for name in (CONTROL, TWIN):
        assert epochs_trained(there, name) == {3: 1, 4: 1, 5: 1}
    assert untimed(onward.results(), there) == here.results


@pytest.mark.long
@pytest.mark.timeout(900)
def test_twelve_branches_a_node_removed_and_a_worker_killed(
    scenes: Path, stalled: Path, tmp_path: Path, three_nodes: Nodes
) -> None:
    """The same table as the sequential race, no branch lost, no finished rung trained twice."""
    assert len(MANY) == 12
    here, why = raced(scenes, stalled, tmp_path / "here", MANY)
    assert why == ""
    there, saves, lost = tmp_path / "there", [0], list[str]()

    def hear(name: str, event: Event) -> None:
        if not isinstance(event, Saved):
            return
        saves[0] += 1
        if saves[0] >= 5 and not lost and kill_owner(there / name):
            lost.append("worker")
        elif saves[0] >= 9 and len(lost) == 1:
            three_nodes.lose_one()
            lost.append("node")

    try:
        race_there, why = raced(scenes, stalled, there, MANY, nodes=three_nodes, hear=hear)
    finally:
        three_nodes.whole_again()
    assert (why, lost) == ("", ["worker", "node"])
    expected = untimed(here.results(), tmp_path / "here")
    assert untimed(race_there.results(), there) == expected
    assert outcome_text(race_outcome(race_there)) == outcome_text(race_outcome(here))
    again = 0
    for branch in MANY:
        trained = epochs_trained(there, branch.name)
        reached = {rung + 2 for rung in expected[branch.name].rungs if rung}
        assert trained.keys() == reached
        again += trained.total() - len(trained)
    # One whose checkpoint was not on the disk yet, of the two that died; no more.
    assert again <= 2
