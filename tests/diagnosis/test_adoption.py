import argparse
import shlex
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from decamo import Run
from decamo.diagnosis import Advice
from decamo.flags import Parser
from decamo.history import Origin
from tests.diagnosis.obey import parser_of
from tests.history.foreign_logs import FORMS, run_of

OURS = "start: epoch 1 to 86, step 0 to 709, LR 0.000010 -> 0.000050 (a new run)"


def adopt_parser() -> argparse.ArgumentParser:
    """That of ``decamo adopt`` where there is one, else its flags."""
    parser = Parser(prog="decamo adopt")
    if find_spec("decamo.commands.adopt") is not None:
        import_module("decamo.commands.adopt").add_arguments(parser)
        return parser
    parser.add_argument("checkpoint")
    for flag in ("--network", "--log", "--epoch", "--out", "--best-score"):
        parser.add_argument(flag)
    return parser


def advised(form: str, tmp_path: Path, checkpoint: str = "") -> tuple[Advice, str]:
    log = tmp_path / "train.log"
    log.write_text("\n".join(FORMS[form].lines(run_of(epochs=86))))
    found = Run(log).diagnose(checkpoint=checkpoint or None)
    return found.advice, str(found)


@pytest.mark.parametrize("form", FORMS)
def test_a_foreign_run_is_adopted_before_anything_goes_on_from_it(
    form: str, tmp_path: Path
) -> None:
    advice, text = advised(form, tmp_path, "best_model.pth")
    assert advice.standing.origin == Origin.FOREIGN
    assert advice.adopt is not None
    words = advice.adopt.words
    assert words[:3] == ("decamo", "adopt", "best_model.pth")
    args = adopt_parser().parse_args(list(words[2:]))
    assert args.log == [tmp_path / "train.log"]
    assert args.epoch is None  # the file knows better than the log
    assert f"the best one logged is {advice.standing.best_epoch}" in " ".join(text.split())
    assert advice.adopt.blanks == ("FILE.py:FUNCTION",)
    adopted = f"{args.out}/last.pth"
    remedies = [c.remedy for c in advice.counsels] + list(advice.ladder)
    for remedy in remedies:
        for flag, value in zip(remedy.words, remedy.words[1:], strict=False):
            assert flag != "--resume-from" or value == adopted
        assert "best_model.pth" not in remedy.command
        if remedy.words[1] in ("train", "evaluate"):
            parser_of(remedy.words[1]).parse(list(remedy.words[2:]))
    assert text.index("decamo adopt") < text.index(advice.first.command.split("\n")[0])
    assert shlex.split(advice.command.replace("\\\n", "")) == list(words)


def test_what_is_not_known_is_to_be_filled_in(tmp_path: Path) -> None:
    advice, text = advised("header_rate", tmp_path)
    assert advice.adopt is not None
    assert advice.adopt.blanks == ("CHECKPOINT", "FILE.py:FUNCTION")
    assert "fill in CHECKPOINT and FILE.py:FUNCTION" in text
    assert advice.race is not None
    assert advice.race.words[:3] == ("decamo", "escape", "runs/adopted/last.pth")
    assert "Or let short trials decide" in text


def test_our_own_run_is_never_adopted(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    lines = [f"Epoch {n}: Loss: 0.5 | IoU: 0.6 | Dice: 0.7 | LR: 0.00005" for n in range(1, 60)]
    log.write_text("\n".join([OURS, *lines]))
    found = Run(log).diagnose()
    assert found.advice.adopt is None
    assert "adopt" not in str(found)
    log.write_text("\n".join(lines[:3]))  # nobody can tell
    assert "whether this program trained it is not told" in " ".join(
        str(Run(log).diagnose()).split()
    )
