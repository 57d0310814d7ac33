"""Thousands of images on three Ray nodes, a worker killed, a node lost; what cannot be helped."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from decamo.cluster.place import hired
from decamo.cluster.worker_crew import BlockWork, Needs, workers_of
from decamo.data.waiting import Ear
from decamo.errors import ClusterError
from tests.api.on_ray import (
    code_of,
    contents,
    kill_one,
    killed,
    killing_network,
    kills,
    lines_of,
    model_of,
    photos_in,
    predicted,
)
from tests.ray_cluster import Nodes

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def until(what: Callable[[], bool]) -> None:
    """Wait for something that comes."""
    end = time.monotonic() + 120
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


@dataclass(frozen=True)
class Deadly(BlockWork[int, int]):
    """Nobody survives 5."""

    def open(self) -> Callable[[Sequence[int], Callable[[str], None]], Sequence[int]]:
        def doubled(block: Sequence[int], _say: Callable[[str], None]) -> list[int]:
            if 5 in block:
                os.kill(os.getpid(), signal.SIGKILL)
            return [2 * item for item in block]

        return doubled

    def name(self, item: int) -> str:
        return f"item {item}"


def test_two_thousand_images_a_worker_killed_and_a_node_lost(
    three_nodes: Nodes, tmp_path: Path
) -> None:
    photos, network = photos_in(tmp_path / "photos", 2000), killing_network(tmp_path / "net")
    model, said = model_of(network), list[str]()
    here, there = tmp_path / "here", tmp_path / "there"
    predicted(model, photos, here, jsonl=tmp_path / "here.jsonl")
    kills(network, 1)
    done = 0

    def on_done() -> None:
        nonlocal done
        done += 1
        if done == 1000:
            kill_one(there)
        if done == 1300:
            three_nodes.lose_one()

    job = predicted(
        model, photos, there, Ear(say=said.append), jsonl=tmp_path / "there.jsonl",
        workers=workers_of(str(three_nodes.on), count=3, cpus=1), on_done=on_done,
    )  # fmt: skip
    three_nodes.whole_again()
    assert killed(network) == 1
    # Two are killed; how many of the three live on the node that is lost is Ray's choice.
    assert 2 <= sum(line.startswith("a worker died") for line in said) <= 5, said
    assert job.lines == 2000
    assert len(contents(here)) == 2000
    assert contents(there) == contents(here)
    assert lines_of(tmp_path / "there.jsonl") == lines_of(tmp_path / "here.jsonl")


def test_a_command_that_is_stopped_goes_on(three_nodes: Nodes, tmp_path: Path) -> None:
    photos, network = photos_in(tmp_path / "photos", 400), killing_network(tmp_path / "net")
    lines, out = tmp_path / "l.jsonl", tmp_path / "out"
    words = [
        sys.executable, "-m", "decamo", "predict", str(network), str(photos), "--out", str(out),
        "--network", code_of(network), "--device", "cpu", "--jsonl", str(lines), "--resume",
        "--on", str(three_nodes.on), "--workers", "2", "--cpus-per-worker", "1",
    ]  # fmt: skip
    first = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    until(
        lambda: (
            first.poll() is not None
            or (lines.is_file() and len(lines.read_text().splitlines()) > 40)
        )
    )
    first.send_signal(signal.SIGTERM)
    _, told = first.communicate(timeout=120)
    assert first.returncode == 128 + signal.SIGTERM, told
    assert "Traceback" not in told
    before = len([n for n in map(json.loads, lines.read_text().splitlines()) if "source" in n])
    assert 40 <= before < 400
    again = subprocess.run(words, capture_output=True, text=True, timeout=300, check=True)
    assert f"{before} inputs done before" in again.stdout
    predicted(model_of(network), photos, tmp_path / "here")
    assert contents(out) == contents(tmp_path / "here")


def test_what_kills_every_worker_ends_with_its_name(three_nodes: Nodes) -> None:
    said: list[str] = []
    wanted = workers_of(str(three_nodes.on), count=2, cpus=1)
    assert wanted is not None
    with hired(wanted, Needs(reads=()), said.append) as crew:
        found = crew.results(Deadly(), range(9), total=9, block=2, ordered=False, heed=lambda: None)
        with pytest.raises(
            ClusterError, match="item 4 to item 5: 5 workers died on these, at last"
        ):
            list(found)
    assert len(said) == 4
