import importlib

import pytest

from decamo.cli import main
from decamo.commands.bench import VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_tells_its_flags(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["bench", verb, "--help"])
    assert end.value.code == 0
    assert "--json FILE" in capsys.readouterr().out
    public = importlib.import_module(f"decamo.benches.{verb}").__all__
    assert {"add_arguments", "run"} <= set(public)


def test_an_unknown_verb_or_flag_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "nework"]) == 2
    assert "network" in capsys.readouterr().err
    assert main(["bench", "metrics", "--repeat", "3"]) == 2
    assert "did you mean --repeats?" in capsys.readouterr().err
