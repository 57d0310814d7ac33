import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import speed_training
from benchmarks.speed_training import training_lines
from decamo.data.layouts import find_pairs
from decamo.errors import DecamoError, MissingExtra


def _args(photographs: Path) -> Namespace:
    return Namespace(
        dataset_path=[photographs],
        device="cpu",
        rounds=1,
        backbone_weights=None,
        reference_python=Path(sys.executable),
    )


def _trains(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The command, which takes a second for 10 images and an epoch; returns how it was called."""
    called: list[Sequence[str]] = []

    def stamps(command: Sequence[str]) -> dict[int, float]:
        called.append(command)
        run = Path(command[command.index("--checkpoint-dir") + 1])
        run.mkdir()
        lines = [{"kind": "run", "train_images": 10, "val_images": 3}]
        lines += [{"kind": "epoch", "train_seconds": 0.5, "val_images": 3} for _ in range(4)]
        (run / "journal.jsonl").write_text("\n".join(map(json.dumps, lines)))
        return {epoch: float(epoch) for epoch in range(1, 5)}

    monkeypatch.setattr(speed_training, "_stamps", stamps)
    monkeypatch.setattr(speed_training, "_steps_alone", lambda _runtime: 30.0)
    return called


def test_command_and_peer_train_on_the_same_photographs_and_device(
    scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Sequence[tuple[str, str]], str]] = []

    def peer(_python: Path, pairs: Sequence[tuple[str, str]], device: str) -> float:
        asked.append((pairs, device))
        return 5.0

    called = _trains(monkeypatch)
    monkeypatch.setattr(speed_training, "_peer", peer)
    lines, told = training_lines(_args(scenes))
    assert "10.0 (20.0 within steps, 30.0 alone) and 5.0" in told
    assert [line.ratio for line in lines] == [2, 4, 6]
    ((pairs, device),), (command,) = asked, called
    assert command[command.index("--device") + 1] == device == "cpu"
    every = find_pairs([scenes], "train").pairs
    # one has no object, and one or more are held out
    assert 0 < len(pairs) < len(every) - 1
    assert set(pairs) < {(str(pair.image), str(pair.mask)) for pair in every}


@pytest.mark.parametrize("error", [DecamoError, MissingExtra])
def test_only_a_peer_without_its_packages_is_skipped(
    error: type[DecamoError], scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def peer(*_: object) -> float:
        raise error("peer", "no luck", "wait")

    called = _trains(monkeypatch)
    monkeypatch.setattr(speed_training, "_peer", peer)
    if error is MissingExtra:
        assert training_lines(_args(scenes)) == ([], "training: skipped: peer: no luck; wait")
    else:
        with pytest.raises(DecamoError, match="no luck"):
            training_lines(_args(scenes))
    assert not called  # the command is not trained first, for nothing


def test_a_command_that_fails_says_its_last_word() -> None:
    says = "import sys; print('Epoch 1: Loss: 1'); print('a\\nno disk', file=sys.stderr)"
    assert list(speed_training._stamps([sys.executable, "-c", says])) == [1]
    with pytest.raises(DecamoError, match="ended with code 4: no disk"):
        speed_training._stamps([sys.executable, "-c", f"{says}; sys.exit(4)"])
