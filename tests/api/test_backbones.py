"""Oracle for counts: timm's own network, by hand."""

import json
from pathlib import Path

import pytest
import timm

import decamo
from decamo.cli import main
from decamo.errors import UnknownBackbone
from decamo.nn.cost import facts_of, shipped_facts


def test_a_pattern_lists_what_serves_with_its_cost(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["models", "test_efficientnet", "--json", str(tmp_path / "m.json")]) == 0
    told = capsys.readouterr().out
    (row,) = json.loads((tmp_path / "m.json").read_text())["backbones"]
    net = timm.create_model("test_efficientnet", features_only=True)
    assert row["parameters"] == sum(p.numel() for p in net.parameters())
    assert row["strides"] == [4, 8, 16, 32]
    assert row["flops"][1] / row["flops"][0] == pytest.approx((416 / 384) ** 2, rel=1e-3)
    assert f"{row['flops'][0] / 1e9:.1f}" in told
    assert row["weights"] == "test_efficientnet.r160_in1k"


def test_a_network_that_does_not_serve_says_why() -> None:
    found = decamo.models("crossvit_tiny_240")
    assert found.rows == ()
    assert "no feature map of strides 4 to 32" in found.refused["crossvit_tiny_240"]
    assert "no feature map" in str(found)


def test_many_that_nobody_looked_at_are_counted_not_left_out() -> None:
    found = decamo.models("*")
    assert len(found.rows) + len(found.unknown) == len(timm.list_models())
    if found.unknown:
        assert f"{len(found.unknown)} more of timm {timm.__version__}" in str(found)


def test_no_such_name() -> None:
    with pytest.raises(UnknownBackbone, match="nobody-has-this"):
        decamo.models("nobody-has-this")


def test_shipped_facts_are_those_of_now() -> None:
    known = shipped_facts()
    for name in ("test_efficientnet", "test_vit"):
        if name in known:
            assert facts_of(name) == known[name]
