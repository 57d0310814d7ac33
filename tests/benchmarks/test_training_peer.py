import importlib
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmarks import training_peer

TERMS = {"pairs": [], "size": 8, "backbone": "x", "batch": 2, "epochs": 2, "workers": 0}


class _Network(torch.nn.Module):
    def __init__(self, seen: list[tuple[str, str]]) -> None:
        super().__init__()
        self.head, self.seen = torch.nn.Conv2d(3, 1, 1), seen

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.seen.append((image.device.type, self.head.weight.device.type))
        return self.head(image)


def stands_for(monkeypatch: pytest.MonkeyPatch, package: Callable[[], Any]) -> None:
    """Of the packages that the peer asks for, the network's comes from here."""
    real = importlib.import_module

    def found(name: str, *words: Any) -> Any:
        return package() if name == "segmentation_models_pytorch" else real(name, *words)

    monkeypatch.setattr(importlib, "import_module", found)


def test_network_and_batches_are_where_they_are_told_to_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[str, str]] = []
    network = SimpleNamespace(FPN=lambda *_, **__: _Network(seen))
    stands_for(monkeypatch, lambda: network)
    samples = [(torch.zeros(3, 8, 8), torch.zeros(1, 8, 8))] * 3
    monkeypatch.setattr(training_peer, "_Pictures", lambda *_: samples)
    # of `meta` nothing is computed, but it is another device than the one that reads
    assert training_peer.main([json.dumps(TERMS | {"device": "meta"})]) == 0
    assert set(seen) == {("meta", "meta")}
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [images for _, images in told] == [3, 3]


def test_a_missing_package_is_told_by_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> Any:
        raise ModuleNotFoundError("No module named 'segmentation_models_pytorch'")

    stands_for(monkeypatch, missing)
    assert training_peer.main([json.dumps(TERMS)]) == 3
    assert "segmentation_models_pytorch" in capsys.readouterr().err
