import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from decamo.errors import CheckpointForeign
from decamo.storage.archive import outline_of
from decamo.storage.formats import FORMAT
from decamo.storage.pickled import TensorOutline
from decamo.storage.sealed import load_sealed, save_sealed
from tests.storage.format_1 import seal_1, sealed_1, state_of_format_1
from tests.storage.hostile import CASES, archive, pickled, tensor

READER = Path(__file__).with_name("read_hostile.py")


@pytest.fixture(scope="module")
def sentinel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that appears as soon as any payload is run."""
    return tmp_path_factory.mktemp("sentinel") / "executed"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, sentinel: Path) -> dict[str, Any]:
    """What a process with little memory made of every hostile file, and of a good one."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, make in CASES.items():
        (folder / f"{name}.pth").write_bytes(make(sentinel))
    (folder / "good.pth").write_bytes(sealed_1(state_of_format_1()))
    done = subprocess.run(
        [sys.executable, str(READER), str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_file_is_refused_in_one_line_and_never_run(
    report: dict[str, Any], sentinel: Path, name: str
) -> None:
    outcome: str = report["outcomes"][name]

    assert outcome.startswith("CheckpointForeign: ")
    assert len(outcome.splitlines()) == 1
    assert len(outcome) < 600
    assert not sentinel.exists()


def test_the_reader_that_refuses_them_reads_a_good_one(report: dict[str, Any]) -> None:
    assert report["outcomes"]["good"] == "read"


def test_memory_stays_bounded(report: dict[str, Any]) -> None:
    assert report["peak"] < 1000  # MB; the files themselves have up to 5 MB


def test_the_archives_made_here_are_good_without_their_mischief(tmp_path: Path) -> None:
    # Otherwise each would be refused for the way it was put together.
    path = tmp_path / "x.pth"
    for data in (pickled(tensor(4, 0, (2, 2), (2, 1))), pickled(b"}"), pickled(b"K\x05")):
        path.write_bytes(data)
        with path.open("rb") as file:
            assert outline_of(path, file)["format"] == 1
    path.write_bytes(seal_1(archive(b"\x80\x02}X\x06\x00\x00\x00formatK\x01s.", b"\0" * 16)))
    with path.open("rb") as file:
        assert outline_of(path, file) == {"format": 1}


def test_the_outline_is_the_state_without_values(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    save_sealed(path, state_of_format_1() | {"format": FORMAT})

    with path.open("rb") as file:
        outline = outline_of(path, file)

    whole = load_sealed(path)
    assert outline["model"]["head.weight"] == TensorOutline((2, 3), "FloatStorage")
    assert outline["model"]["count"] == TensorOutline((), "LongStorage")
    plain = [k for k in whole if k not in ("model", "ema", "optimiser", "generators")]
    assert {k: outline[k] for k in plain} == {k: whole[k] for k in plain}


def test_what_is_no_archive_is_foreign(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    for data in (b"", b"PK", b"PK\x05\x06" + b"\0" * 18, b"\0" * 1000):
        path.write_bytes(data)
        with path.open("rb") as file, pytest.raises(CheckpointForeign):
            outline_of(path, file)
