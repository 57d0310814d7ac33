"""The real trackers: offline files of Weights & Biases, a store of MLflow, Trackio's database."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from decamo.history.journal import read_journal
from decamo.settings.sections import TRACKERS
from decamo.trackers.feeding import _SERVICES
from decamo.trackers.tracking import TrackedRun
from tests.commands.conftest import STUCK_FLAGS

KINDS = ("wandb", "mlflow", "trackio")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """Where the trackers keep things: nowhere but here."""
    places = {
        "WANDB_MODE": "offline",
        "MLFLOW_TRACKING_URI": (tmp_path / "mlruns").as_uri(),
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "TRACKIO_DIR": str(tmp_path / "trackio"),
        "HF_HUB_OFFLINE": "1",
    }
    for name, place in places.items():
        monkeypatch.setenv(name, place)
    return places


def histories(kind: str, folder: Path, id: str) -> dict[str, list[tuple[int, float]]]:
    """What the tracker holds: name -> (step, value) in the order it has them, by its own means."""
    found: dict[str, list[tuple[int, float]]] = {}
    if kind == "mlflow":
        client = import_module("mlflow").MlflowClient()
        for name in client.get_run(id).data.metrics:
            history = client.get_metric_history(id, name)
            found[name] = [(m.step, m.value) for m in history]
    elif kind == "trackio":
        # In a process of its own: Trackio looks for its folder once, when it is imported.
        ask = "import json, sys; from trackio.sqlite_storage import SQLiteStorage as storage;"
        ask += "print(json.dumps(storage.get_logs('decamo', sys.argv[1])))"
        for row in json.loads(subprocess.check_output([sys.executable, "-c", ask, id])):
            for name, value in row.items():
                if "/" in name:
                    found.setdefault(name, []).append((row["step"], value))
    else:
        parse = import_module("decamo.trackers.wandb")
        record = import_module("wandb.proto.wandb_internal_pb2").Record
        for file in sorted((folder / "trackers" / "wandb").glob("offline-run-*/*.wandb")):
            assert id in file.parent.name
            for data in parse._records(file.read_bytes()):
                entry = record.FromString(data)
                if entry.WhichOneof("record_type") != "history":
                    continue
                items = {i.key or ".".join(i.nested_key): i.value_json for i in entry.history.item}
                for name, value in items.items():
                    if "/" in name:
                        found.setdefault(name, []).append((int(items["_step"]), float(value)))
    return found


def test_each_word_of_the_flag_has_its_tracker() -> None:
    assert {*TRACKERS} == {"none", "tensorboard", *_SERVICES}
    assert {*KINDS} == {*_SERVICES}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_found_again_and_goes_on(
    kind: str, tmp_path: Path, places: Mapping[str, str]
) -> None:
    if find_spec(kind) is None:
        pytest.skip(f"{kind} is not installed")
    opener = getattr(import_module(f"decamo.trackers.{kind}"), f"open_{kind}")
    (tmp_path / "trackers").mkdir()
    settings: dict[str, dict[str, Any]] = {"run": {"seed": 3}, "schedule": {"min_lr": None}}
    first = opener(TrackedRun(tmp_path, settings))
    assert first.position() == 0
    first.log([(0, {"loss/total": 2.0, "lr/head": 0.1}), (1, {"loss/total": 1.0})])
    first.close()

    again = opener(TrackedRun(tmp_path, settings, first.id))
    has = again.position()
    again.log([(step, {"loss/total": 1 / step}) for step in (1, 2, 3) if step >= has])
    again.close()

    assert again.id == first.id
    assert histories(kind, tmp_path, first.id) == {
        "loss/total": [(0, 2.0), (1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))],
        "lr/head": [(0, 0.1)],
    }


def killed_at_random(
    words: list[str], environment: Mapping[str, str], draw: random.Random
) -> Iterator[tuple[int, str]]:
    """Runs the command until it ends by itself; exit code and output of each life."""
    code = -signal.SIGKILL
    while code:
        run = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
        assert run.stdout is not None
        lines = []
        for line in run.stdout:
            lines.append(line)
            if line.startswith("Epoch ") and draw.random() < 0.4:
                time.sleep(draw.random())
                run.kill()
                break
        lines.append(run.stdout.read())
        run.stdout.close()
        code = run.wait(120)
        yield code, "".join(lines)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_killed_and_resumed_it_is_one_run_without_a_gap_or_a_step_twice(
    kind: str, scenes: Path, tmp_path: Path, places: Mapping[str, str]
) -> None:
    if find_spec(kind) is None:
        pytest.skip(f"{kind} is not installed")
    folder = tmp_path / "run"
    words = [sys.executable, "-m", "decamo", "train", "--dataset-path", str(scenes), "--tracker",
             kind, "--checkpoint-dir", str(folder), *STUCK_FLAGS, "--epochs", "12",
             "--stage1-epochs", "1", "--resume", "auto"]  # fmt: skip
    # A service of W&B that another test began here would outlive each life, and hold its run.
    here = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    environment = {**here, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}

    lives = list(killed_at_random(words, environment, random.Random(5)))

    assert not [line for _, out in lives for line in out.splitlines() if f"{kind}:" in line]
    assert {code for code, _ in lives} == {0, -signal.SIGKILL}
    book = json.loads((folder / "trackers" / f"{kind}.json").read_text())
    found = histories(kind, folder, book["id"])
    lived = {e["step"]: e for e in read_journal(folder / "journal.jsonl") if e["kind"] == "step"}
    assert [step for step, _ in found["loss/total"]] == sorted(lived)
    assert [v for _, v in found["loss/total"]] == pytest.approx(
        [lived[step]["loss"] for step in sorted(lived)]
    )
    assert len(found["validation/iou"]) == 12
    steps = [step for step, _ in found["validation/iou"]]
    assert steps == sorted(set(steps))


def test_a_kill_leaves_a_torn_file_that_is_read_up_to_there(tmp_path: Path) -> None:
    parse: Any = import_module("decamo.trackers.wandb")
    whole = b"a" * 100, b"b" * 70_000, b"c" * 5
    content = b"header." + _written(whole)

    assert tuple(parse._records(content)) == whole
    for end in range(7, len(content), 997):
        assert tuple(parse._records(content[:end])) in [whole[:n] for n in range(4)]


def _written(records: tuple[bytes, ...]) -> bytes:
    """LevelDB's log format, from its description: blocks of 32 KiB after the file's header."""
    out = bytearray(b"header.")
    for record in records:
        left, first = record, True
        while left or first:
            room = 32768 - len(out) % 32768
            if room < 7:
                out += bytes(room)
                continue
            part, left = left[: room - 7], left[room - 7 :]
            kind = (1 if first else 4) if not left else (2 if first else 3)
            out += bytes(4) + len(part).to_bytes(2, "little") + bytes([kind]) + part
            first = False
    return bytes(out[7:])
