"""A rented machine that is gone: the run goes on from its mirror, and ends in the same bits."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import decamo
from decamo.cli import main
from decamo.history import EpochDone, Event, Saved, read_journal
from decamo.storage.sealed import load_sealed
from scripts.soak import differences, end_of
from tests.mirror.conftest import KEYS, Bucket
from tests.mirror.flaky import Flaky
from tests.mirror.test_uploading import whole

FLAGS = [
    "--backbone", "test_efficientnet", "--num-experts", "2", "--no-pretrained", "--device", "cpu",
    "--batch-size", "4", "--stage2-batch-size", "4", "--accumulation-steps", "1",
    "--img-size", "32", "--num-workers", "0", "--val-fraction", "0.2", "--tracker", "none",
    "--stage1-epochs", "1",
]  # fmt: skip
OPTIONS: dict[str, Any] = {  # the same
    "backbone": "test_efficientnet", "num_experts": 2, "pretrained": False, "device": "cpu",
    "batch_size": 4, "stage2_batch_size": 4, "accumulation_steps": 1, "img_size": 32,
    "num_workers": 0, "val_fraction": 0.2, "tracker": "none", "stage1_epochs": 1, "epochs": 3,
}  # fmt: skip


def command(scenes: Path, folder: Path, address: str, epochs: int) -> list[str]:
    mirror = ["--mirror", address, "--resume", "auto"] if address else []
    place = ["--dataset-path", str(scenes), "--checkpoint-dir", str(folder)]
    return ["train", *place, *FLAGS, "--epochs", str(epochs), *mirror]


@pytest.fixture(scope="module")
def unbroken(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    assert main(command(scenes, folder, "", 3)) == 0
    return folder


class Gone(Exception):
    """The machine."""


def test_a_run_goes_on_from_its_mirror_alone(
    unbroken: Path,
    scenes: Path,
    bucket: Bucket,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "run"
    epochs = 0

    def lost(event: Event) -> None:
        nonlocal epochs
        epochs += isinstance(event, EpochDone)
        if epochs == 2 and isinstance(event, Saved):
            raise Gone

    with pytest.raises(Gone):
        decamo.train(
            dataset_path=str(scenes), checkpoint_dir=folder, mirror=bucket.address(),
            resume="auto", callbacks=[lost], **OPTIONS,
        )  # fmt: skip
    shutil.rmtree(folder)
    capsys.readouterr()
    assert main(command(scenes, folder, bucket.address(), 3)) == 0
    out = capsys.readouterr().out
    assert "fetched: " in out
    assert "continue: " in out
    for name in ("last.pth", "best_model.pth"):
        assert differences(end_of(unbroken / name), end_of(folder / name), name) == []
    epochs_told = [
        e["epoch"] for e in read_journal(folder / "journal.jsonl") if e["kind"] == "epoch"
    ]
    assert epochs_told == [1, 2, 3]
    for secret in KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"]:
        written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
        assert secret.encode() not in written
        assert secret not in out
    newest = max(bucket.serials())
    assert whole(bucket, newest)
    place = json.loads(bucket.read(f"run/mirror-{newest:08d}.json"))["files"]["last.pth"]["sha256"]
    assert bucket.read(f"run/objects/{place}.pth") == (folder / "last.pth").read_bytes()
    _complete_and_refused(scenes, bucket, tmp_path, capsys)


def _complete_and_refused(
    scenes: Path, bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the same command says on a third machine, and other commands beside it."""
    words = command(scenes, tmp_path / "third", bucket.address(), 3)
    assert main(words) == 0
    assert "complete: " in capsys.readouterr().out
    assert main([word for word in words if word not in ("--resume", "auto")]) == 2
    assert "farther on" not in (err := capsys.readouterr().err)
    assert "already holds a run" in err
    assert main(command(scenes, tmp_path / "other", "", 2)) == 0
    assert main(command(scenes, tmp_path / "other", bucket.address(), 3)) == 2
    assert "holds another run" in capsys.readouterr().err


@pytest.mark.long
def test_a_damaged_newest_checkpoint_costs_an_epoch_and_no_bit(
    unbroken: Path,
    scenes: Path,
    bucket: Bucket,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "run"
    assert main(command(scenes, folder, bucket.address(), 3)) == 0
    newest = json.loads(bucket.read(f"run/mirror-{max(bucket.serials()):08d}.json"))
    for name in ("last.pth", "best_model.pth"):
        key = f"run/objects/{newest['files'][name]['sha256']}.pth"
        bucket.write(key, bucket.read(key)[:-100])
    shutil.rmtree(folder)
    capsys.readouterr()
    assert main(command(scenes, folder, bucket.address(), 3)) == 0
    out = capsys.readouterr().out
    assert "last.pth cannot be used (truncated" in out
    assert differences(end_of(unbroken / "last.pth"), end_of(folder / "last.pth"), "last") == []


def test_a_run_whose_mirror_dies_trains_to_its_end(
    unbroken: Path,
    scenes: Path,
    bucket: Bucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    way = Flaky(bucket.endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL", way.endpoint)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    decamo.train(
        dataset_path=str(scenes), checkpoint_dir=tmp_path / "run", mirror=bucket.address(),
        **OPTIONS,
        callbacks=[lambda event: way.break_now() if isinstance(event, EpochDone) else None],
    )  # fmt: skip
    way.close()
    out = capsys.readouterr().out
    assert out.count("the run goes on, and it is tried again") == 1
    assert "is not there; it is sent when the run goes on" in out
    left = end_of(tmp_path / "run" / "last.pth")
    assert differences(end_of(unbroken / "last.pth"), left, "last") == []


@pytest.mark.long
def test_killed_at_any_moment_on_machines_that_vanish(
    scenes: Path, bucket: Bucket, tmp_path: Path
) -> None:
    rng = random.Random(0)
    peace, folder = tmp_path / "peace", tmp_path / "run"
    assert main(command(scenes, peace, "", 12)) == 0
    words = [sys.executable, "-m", "decamo", *command(scenes, folder, bucket.address(), 12)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    kills, code, farthest = 0, -1, []
    while code != 0:
        code = _killed(words, environment, rng)
        assert code in (0, -signal.SIGKILL)
        kills += code != 0
        if serials := bucket.serials():
            assert whole(bucket, serials[-1])
            plain = json.loads(bucket.read(f"run/mirror-{serials[-1]:08d}.json"))
            farthest.append(plain["position"]["step"])
        if code != 0:
            shutil.rmtree(folder, ignore_errors=True)
    assert kills >= 5
    assert farthest == sorted(farthest)
    assert load_sealed(folder / "last.pth")["position"]["epoch"] == 12
    for name in ("last.pth", "best_model.pth"):
        assert differences(end_of(peace / name), end_of(folder / name), name) == []


@pytest.mark.long
def test_of_two_processes_the_first_fetches_and_sends(
    scenes: Path, bucket: Bucket, tmp_path: Path
) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}

    def run(folder: Path, epochs: int, *more: str) -> subprocess.CompletedProcess[str]:
        words = [*command(scenes, folder, bucket.address(), epochs), *more]
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        return subprocess.run(
            [sys.executable, *launcher, "-m", "decamo", *words],
            env=environment, text=True, capture_output=True, check=False,
        )  # fmt: skip

    first = run(tmp_path / "first", 2)
    assert first.returncode == 0, first.stderr[-3000:]
    assert bucket.serials()
    second = run(tmp_path / "second", 3)
    assert second.returncode == 0, second.stderr[-3000:]
    assert second.stdout.count("fetched: ") == 1
    assert "extend: epoch 3 to 3" in second.stdout
    assert load_sealed(tmp_path / "second" / "last.pth")["position"]["epoch"] == 3
    third = run(tmp_path / "third", 3, "--mirror", "s3://no-such-bucket-here/x")
    assert third.returncode != 0
    assert "bucket does not exist" in third.stderr
    assert "ended in the start: " in third.stderr  # what the second process says of the first


def _killed(words: list[str], environment: dict[str, str], rng: random.Random) -> int:
    """Run it, and kill it after some epochs and a moment: in training, saving or sending.

    Now and then it is killed while it fetches; the way it ended.
    """
    run = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    epochs, early = rng.randint(1, 3), rng.random() < 0.2
    for line in run.stdout:
        epochs -= line.startswith("Epoch ")
        if epochs == 0 or early:
            break
    time.sleep(rng.uniform(0, 0.3))
    run.kill()
    run.stdout.close()
    return run.wait()
