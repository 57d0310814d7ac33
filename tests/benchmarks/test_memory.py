from pathlib import Path

import pytest

from benchmarks import memory
from benchmarks.__main__ import main
from decamo.storage import RunFolder


class Commands:
    """What the commands that train and export leave; the first training is killed half-way."""

    def __init__(self) -> None:
        self.killed = False

    def peak_of(self, words: list[str]) -> float:
        if words[0] == "train":
            folder = RunFolder(Path(words[words.index("--checkpoint-dir") + 1]))
            folder.open(None)
            folder.last.touch()
            if not self.killed:
                self.killed = True
                raise KeyboardInterrupt
            folder.best.touch()
        elif words[0] == "export":
            Path(words[words.index("--out") + 1]).touch()
        return 5.0


def test_a_network_whose_training_was_killed_is_trained_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(memory, "_peak_of", Commands().peak_of)
    words = ["memory", "--images", "2", "--ways", "predict", "--work", str(tmp_path)]
    assert main(words) == 130
    assert main(words) == 0
    assert "decamo predict ONNX IMAGES" in capsys.readouterr().out
