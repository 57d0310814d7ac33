import json
import time
from pathlib import Path

import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.profile import PARTS, profile
from benchmarks.speed_network import NetworkTerms
from decamo.nn.experts import Mixture
from decamo.training.runtime import Runtime

TERMS = NetworkTerms("test_efficientnet", 64, 2, 2, Runtime(torch.device("cpu")))


def test_the_parts_are_the_whole_step_each_way(tmp_path: Path) -> None:
    report = tmp_path / "profile.json"
    words = ["--backbone", "test_efficientnet", "--img-size", "64", "--rounds", "2"]
    assert main(["profile", *words, "--json", str(report)]) == 0
    parts = json.loads(report.read_text())["parts"]
    assert [part["part"] for part in parts] == list(PARTS)
    assert sum(part["share"] for part in parts) == pytest.approx(1)
    assert all(part["forward"] > 0 for part in parts)
    assert all(part["backward"] > 0 for part in parts[:-1])
    assert parts[-1]["backward"] == 0


class _Slow(torch.autograd.Function):
    """Wastes a tenth of a second of the processor on the way back."""

    @staticmethod
    def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
        _waste(0.1)
        return gradient


def _waste(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


@pytest.mark.long
def test_time_is_laid_at_the_door_of_the_part_that_took_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Processor time that is wasted on purpose: the one clock that a busy machine does not move."""
    plain = Mixture.forward

    def slow(self: Mixture, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        _waste(0.05)
        mixed, gates = plain(self, x)
        wasted: torch.Tensor = _Slow.apply(mixed)
        return wasted, gates

    monkeypatch.setattr(Mixture, "forward", slow)
    shares = {share.part: share for share in profile(TERMS)}
    assert shares["laterals and experts"].forward >= 4 * 0.05
    assert shares["laterals and experts"].backward >= 4 * 0.1
    assert all(s.backward < 0.1 for part, s in shares.items() if part != "laterals and experts")


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--batch-size", "0"]])
def test_numbers_below_one_are_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", *words]) == 2
    assert words[0] in capsys.readouterr().err
