import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.claims_page import claims_page
from benchmarks.claims_promises import PROMISES
from decamo.cluster.tasks import Place
from decamo.diagnosis import claims_of
from tests.cluster.pickled import far_away

TINY = [
    "--backbone", "test_efficientnet", "--no-pretrained", "--num-experts", "1", "--img-size", "32",
    "--seeds", "2", "--base-epochs", "1", "--stall-epochs", "1", "--trial-epochs", "1",
    "--device", "cpu",
]  # fmt: skip


@pytest.mark.long
def test_the_whole_command_ends_with_both_files(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "src" / "decamo" / "diagnosis"
    package.mkdir(parents=True)
    flags = ["claims", "--dataset-path", str(scenes), *TINY]
    flags += ["--work", str(tmp_path / "work"), "--out", str(tmp_path)]
    assert main(flags) == 0
    told = capsys.readouterr().out
    text = (package / "claims.json").read_text()
    page = (tmp_path / "docs" / "claims.md").read_text()
    assert page == claims_page(json.loads(text))
    assert str(tmp_path) not in text
    assert claims_of(text).keys() == {p.name for p in PROMISES}
    assert all("word" in claim for claim in json.loads(text)["claims"])  # none was lost
    for promise in PROMISES:
        assert promise.title in told
        assert promise.title in page
    # All is known: the same command trains nothing, and writes the same.
    assert main(flags) == 0
    again = capsys.readouterr().out
    assert "Epoch" in told
    assert "Epoch" not in again
    assert (package / "claims.json").read_text() == text
    # It is of these flags alone, whether or not anything is left to be trained.
    for other in (["--trial-epochs", "2"], ["--as-it-is", "--img-size", "64"]):
        assert main([*flags, *other]) == 2
        assert "it holds a study that differs in" in capsys.readouterr().err
    assert (package / "claims.json").read_text() == text


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--seeds", "1"], "--seeds: got 1"),
        (["--trial-epochs", "0"], "--trial-epochs: got 0"),
        (["--out", "nowhere"], "name a checkout of decamo"),
        (["--img-size", "100"], "not a multiple of 32"),
    ],
)
def test_mistakes_are_one_line(
    flags: list[str],
    words: str,
    scenes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    work = ["--work", str(tmp_path / "work")]
    given = ["claims", "--dataset-path", str(scenes), *TINY, *work, *flags]
    assert main(given) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_nothing_is_trained_where_only_what_is_known_is_asked_for(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = ["--work", str(tmp_path / "work"), "--as-it-is"]
    assert main(["claims", "--dataset-path", str(scenes), *TINY, *work]) == 0
    told = capsys.readouterr().out
    assert told.count("0 seeds are trained so far") == len(PROMISES)


def test_no_page_is_written_before_a_seed_is_trained_to_its_end(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "src" / "decamo" / "diagnosis"
    package.mkdir(parents=True)
    (package / "claims.json").write_text("of before")
    flags = ["--work", str(tmp_path / "work"), "--as-it-is", "--out", str(tmp_path)]
    assert main(["claims", "--dataset-path", str(scenes), *TINY, *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--out: no seed in {tmp_path / 'work'} is trained to its end" in line
    assert (package / "claims.json").read_text() == "of before"
    assert not (tmp_path / "docs").exists()


def test_the_device_is_that_of_the_tasks(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What hands them out needs none."""

    @contextmanager
    def place(*_: object, **__: object) -> Iterator[Place]:
        yield replace(far_away, device="cuda")

    monkeypatch.setattr("benchmarks.claims.place_of", place)
    report = tmp_path / "claims.json"
    flags = [*TINY, "--device", "cuda", "--on", "ray", "--as-it-is", "--json", str(report)]
    work = ["--work", str(tmp_path / "work")]
    assert main(["claims", "--dataset-path", str(scenes), *work, *flags]) == 0
    assert json.loads(report.read_text())["study"]["device"] == "cuda"


def test_what_is_known_of_another_study_is_not_told_as_of_this_one(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "study.json").write_text("{}")
    work = ["--work", str(tmp_path / "work"), "--as-it-is"]
    assert main(["claims", "--dataset-path", str(scenes), *TINY, *work]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "it holds a study that differs in settings, images, trial epochs, branches;" in line
