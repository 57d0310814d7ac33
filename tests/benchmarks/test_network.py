import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main


@pytest.mark.long
def test_the_cost_of_the_seeds_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "cost.json"
    assert main(["network", "--json", str(report)]) == 0
    out = capsys.readouterr().out
    assert "edgenext_base + 7 experts" in out
    costs = json.loads(report.read_text())
    bare, whole = costs["edgenext_base"], costs["edgenext_base + 7 experts"]
    assert bare["parameters"] / 1e6 == pytest.approx(17.9, abs=0.05)
    assert bare["flops"] / 1e9 == pytest.approx(17.2, abs=0.05)
    assert whole["flops"] <= 1.5 * bare["flops"]
