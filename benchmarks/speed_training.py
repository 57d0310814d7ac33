"""The whole ``train`` command beside a plain loop over a peer, in images a second."""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.children import failure, output_of
from benchmarks.speed_lines import Line, line_of_rounds
from benchmarks.speed_network import NetworkTerms
from benchmarks.speed_step import optimizer_of, own_step, seconds_of_work
from decamo.data.kept_memory import keep_freed_memory
from decamo.errors import MissingExtra
from decamo.flags import Parser
from decamo.history import read_journal
from decamo.settings import DataSettings
from decamo.training.data_splits import find_splits
from decamo.training.runtime import Runtime, open_runtime

__all__ = ["TRAINING_GOAL", "add_arguments", "training_lines"]

TRAINING_GOAL = 1.5
_BACKBONE, _SIZE, _BATCH, _EPOCHS = "tf_efficientnet_lite2", 256, 4, 4
_PEER = "smp FPN in a plain loop"
_STEPS = 22  # of which two warm up
_EPOCH = re.compile(r"Epoch (\d+): Loss")


def add_arguments(parser: Parser) -> None:
    """Flags of this part of ``python -m benchmarks speed``."""
    parser.add_argument("--dataset-path", type=Path, nargs="+", default=(), metavar="PATH",
        help="photographs that the part training trains on")  # fmt: skip
    parser.add_argument("--backbone-weights", type=Path, metavar="PATH",
        help=f"of {_BACKBONE}, for the part training (default: random ones)")  # fmt: skip


def training_lines(args: argparse.Namespace) -> tuple[list[Line], str]:
    """Images a second from the end of the first epoch to the end of the fourth.

    Ours are those of the whole command: reading, steps, validation and saving. The peer has the
    same augmentation by albumentations, a loss of one term, torch's AdamW and nothing else: on
    a GPU it computes in float32, and the command as its default has it. Steps alone are what the
    command would do if reading, validation and saving cost nothing.

    Raises:
        DecamoError: the command or the peer failed, other than for want of a package.
    """
    if not args.dataset_path:
        return [], "training: skipped: no photographs; name them: --dataset-path"
    runtime = open_runtime(args.device, "auto")
    device = str(runtime.device)
    pairs = _pairs(args.dataset_path)
    whole, steps, alone, told = [], [], [], []
    for _ in range(args.rounds):
        try:
            peer = _peer(args.reference_python, pairs, device)
        except MissingExtra as error:
            return [], f"training: skipped: {error}"
        bare = _steps_alone(runtime)
        own, own_steps = _own(args, device)
        whole.append(own / peer)
        steps.append(own_steps / peer)
        alone.append(bare / peer)
        told.append(f"{own:.1f} ({own_steps:.1f} within steps, {bare:.1f} alone) and {peer:.1f}")
    what = f"decamo train / {_PEER}: images/s, {_BACKBONE}, {_SIZE} px"
    return [
        line_of_rounds("training", what, whole, TRAINING_GOAL, at_most=False),
        line_of_rounds("training", f"{what}, without validation and saving", steps),
        line_of_rounds("training", f"{what}, steps alone, which is the most", alone),
    ], f"training: images/s of decamo and the peer: {'; '.join(told)}"


def _pairs(dataset_path: Sequence[Path]) -> list[tuple[str, str]]:
    """Photographs and masks that train by the command's defaults: none empty, none held out."""
    settings = DataSettings(tuple(dataset_path), num_workers=_workers())
    with tempfile.TemporaryDirectory() as folder:
        census = Path(folder) / "census.json"
        splits = find_splits(settings, census, lambda _done, _of: None, keep=False)
    return [(str(pair.image), str(pair.mask)) for pair in splits.train]


def _own(args: argparse.Namespace, device: str) -> tuple[float, float]:
    """Images a second of the command, and of its training steps with the waits for images."""
    with tempfile.TemporaryDirectory() as root:
        run = Path(root) / "run"
        words = ["--backbone", _BACKBONE, "--img-size", str(_SIZE), "--epochs", str(_EPOCHS)]
        words += ["--stage2-batch-size", str(_BATCH), "--accumulation-steps", "1"]
        words += ["--skip-stage1", "--no-progressive-unfreeze", "--checkpoint-dir", str(run)]
        words += ["--num-workers", str(_workers()), "--num-experts", "7", "--device", device]
        words += ["--dataset-path", *map(str, args.dataset_path)]
        if args.backbone_weights is None:
            words += ["--no-pretrained"]
        else:
            words += ["--backbone-weights", str(args.backbone_weights)]
        ended = _stamps([sys.executable, "-m", "decamo", "train", *words])
        journal = list(read_journal(run / "journal.jsonl"))
    trained = next(int(entry["train_images"]) for entry in journal if entry["kind"] == "run")
    epochs = [entry for entry in journal if entry["kind"] == "epoch"]
    spent = sum(float(entry["train_seconds"]) for entry in epochs[1:_EPOCHS])
    count = trained * (_EPOCHS - 1)
    return count / (ended[_EPOCHS] - ended[1]), count / spent


def _steps_alone(runtime: Runtime) -> float:
    """Images a second of steps on one batch that lies there: nothing is read beside them."""
    keep_freed_memory(trains=True)
    terms = NetworkTerms(_BACKBONE, _SIZE, _BATCH, 1, runtime)
    network = terms.build()
    step = own_step(terms, network, optimizer_of(network, fused=True))
    seconds = [seconds_of_work(step, runtime.device) for _ in range(_STEPS)]
    return _BATCH / statistics.median(seconds[2:])


def _stamps(command: Sequence[str]) -> dict[int, float]:
    """Epoch -> when its line was printed.

    Raises:
        DecamoError: the command failed.
    """
    ended: dict[int, float] = {}
    with (
        tempfile.TemporaryFile("w+", errors="replace") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as running,
    ):
        assert running.stdout is not None
        for line in running.stdout:
            if found := _EPOCH.search(line):
                ended[int(found[1])] = time.perf_counter()
        if code := running.wait():
            said.seek(0)
            raise failure(command, code, said.read())
    return ended


def _peer(python: Path, pairs: Sequence[tuple[str, str]], device: str) -> float:
    """Images a second of the plain loop; errors as of :func:`benchmarks.children.output_of`."""
    terms = {"pairs": pairs, "size": _SIZE, "backbone": _BACKBONE, "batch": _BATCH}
    terms |= {"epochs": _EPOCHS, "workers": _workers(), "device": device}
    script = Path(__file__).with_name("training_peer.py")
    # -P: beside the script lies a profile.py, which is not the standard library's
    printed = output_of(python, ["-P", str(script), json.dumps(terms)])
    epochs = [json.loads(line) for line in printed.splitlines()][1:]
    return sum(images for _, images in epochs) / sum(seconds for seconds, _ in epochs)


def _workers() -> int:
    return min(os.cpu_count() or 1, 4)
