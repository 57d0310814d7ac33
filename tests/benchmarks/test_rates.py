import json
from pathlib import Path

import pytest
import torch

from benchmarks import rates
from benchmarks.__main__ import main
from benchmarks.rates import Rate, rate_of
from benchmarks.speed_network import NetworkTerms
from decamo.training.runtime import OutOfMemory, Runtime

SMALL = ["--backbone", "test_efficientnet", "--sizes", "32", "64", "--rounds", "2"]


@pytest.mark.long
def test_every_size_batch_and_way_has_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "rates.json"
    words = [*SMALL[:-1], "1", "--batches", "1", "2", "--ways", "channels-last", "loop"]
    assert main(["rates", *words, "--device", "cpu", "--json", str(report)]) == 0
    told = json.loads(report.read_text())
    assert told["device"] == "processor, float32"
    found = [(r["way"], r["img_size"], r["batch_size"]) for r in told["rates"]]
    ways = ("channels-last", "loop")
    assert found == [(way, size, n) for way in ways for size in (32, 64) for n in (1, 2)]
    # a step has all that the backbone has, and more; a busy machine may say otherwise for once
    assert all(r["images_per_second"] > 0 and r["share"] > 0 for r in told["rates"])
    assert all(r["peak_bytes"] == 0 for r in told["rates"])
    assert "share of the rate" in capsys.readouterr().out


def test_what_does_not_fit_is_told_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = rates._step

    def full(terms: NetworkTerms, way: str) -> object:
        def step() -> None:
            raise OutOfMemory(torn=False)

        return step if terms.batch_size > 1 else real(terms, way)

    monkeypatch.setattr(rates, "_step", full)
    words = [*SMALL[:3], "32", *SMALL[5:], "--batches", "2", "1"]
    assert main(["rates", *words, "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert out.count("does not fit") == 1


def test_another_mistake_is_not_taken_for_a_lack_of_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(terms: NetworkTerms, way: str) -> object:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(rates, "_step", broken)
    terms = NetworkTerms("test_efficientnet", 32, 1, 1, Runtime(torch.device("cpu")))
    with pytest.raises(RuntimeError, match="multiplied"):
        rate_of(terms, "plain")


@pytest.mark.parametrize("words", [["--batches", "0"], ["--sizes", "-1"], ["--rounds", "0"]])
def test_numbers_below_one_are_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rates", *words, "--device", "cpu"]) == 2
    assert words[0] in capsys.readouterr().err


@pytest.mark.skipif(not torch.cuda.is_available(), reason="the device itself tells its memory")
def test_a_gpu_tells_its_peak() -> None:
    terms = NetworkTerms("mobilenetv2_035", 64, 2, 2, Runtime(torch.device("cuda")))
    rate = rate_of(terms, "plain")
    assert isinstance(rate, Rate)
    assert rate.peak_bytes > 0
