import importlib
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, main


@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_describes_its_flags(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    assert "--json FILE" in capsys.readouterr().out
    public = importlib.import_module(f"benchmarks.{name.replace('-', '_')}").__all__
    assert {"add_arguments", "run"} <= set(public)


def test_an_unknown_name_or_flag_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nework"]) == 2
    assert "network" in capsys.readouterr().err
    assert main(["metrics", "--repeat", "3"]) == 2
    assert "did you mean --repeats?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("forecast --curves s --json s/curve.csv", "--curves"),
        ("quality --dataset-path s --work w --json w", "--work"),
    ],
)
def test_none_writes_over_what_it_reads(
    words: str,
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "curve.csv").write_text("epoch,iou")

    assert main(words.split()) == 2

    assert named in capsys.readouterr().err
    assert (tmp_path / "s" / "curve.csv").read_text() == "epoch,iou"
    assert not (tmp_path / "w").exists()
