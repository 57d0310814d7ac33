import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from decamo.data.audit import Audit, audit_data
from decamo.data.audit.look import look_at
from decamo.data.census import save_cache
from decamo.errors import SettingsError
from decamo.report.audit_report import audit_text
from decamo.storage.json_text import json_pieces
from tests.data.audit.malformed import Zoo, encoded, write_zoo


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return write_zoo(tmp_path_factory.mktemp("zoo") / "Zoo")


def told(audit: Audit, place: Path) -> tuple[str, str, str]:
    save_cache(place, audit.census)
    return audit_text(audit), "".join(json_pieces(audit.to_plain(later=True))), place.read_text()


def test_what_is_written_piece_by_piece_is_what_json_makes(zoo: Zoo, tmp_path: Path) -> None:
    audit = audit_data([zoo.root], workers=2)
    _, streamed, census = told(audit, tmp_path / "census.json")
    assert streamed == json.dumps(audit.to_plain(), indent=2, default=str)
    held = {"version": 2, "pairs": dict(audit.census.cache.items())}
    assert census == json.dumps(held, indent=0)
    assert len(held["pairs"]) == len(audit.census.entries) == len(audit.census.cache)  # type: ignore[arg-type]


def test_a_killed_audit_goes_on_and_tells_the_same(zoo: Zoo, tmp_path: Path) -> None:
    kept = tmp_path / "kept.db"
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from decamo.storage import databases\n"
        "from decamo.data.audit import audit_data\n"
        "if __name__ == '__main__':\n"
        "    databases._SAVE_S = 0\n"
        "    def dying(done, total):\n"
        "        if done == 20:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "    audit_data([Path(sys.argv[1])], workers=1, resume=Path(sys.argv[2]),"
        " on_progress=dying)\n"
    )
    (tmp_path / "run.py").write_text(script)
    words = [sys.executable, str(tmp_path / "run.py"), str(zoo.root), str(kept)]
    died = subprocess.run(words, env=os.environ, capture_output=True, timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    plain = told(audit_data([zoo.root], workers=2), tmp_path / "a.json")
    known: list[int] = []
    looked: list[tuple[int, int]] = []
    again = audit_data(
        [zoo.root], workers=2, resume=kept, on_found=known.append,
        on_progress=lambda done, total: looked.append((done, total)),
    )  # fmt: skip
    assert told(again, tmp_path / "b.json") == plain
    assert 10 <= known[0] <= 20  # files that cannot be read are looked at anew
    assert looked[0][0] == known[0] + 1
    assert looked[-1] == (len(again.facts), len(again.facts))


def once(path: str, role: str) -> dict[str, Any]:
    """As `look_at`; that it looked lies beside the data."""
    with (Path(path).parents[3] / "looks.txt").open("a") as file:
        file.write(f"{Path(path).name}\n")
    return look_at(path, role)


def test_only_files_that_changed_are_looked_at_again(tmp_path: Path) -> None:
    zoo = Zoo(tmp_path / "Zoo")
    for n in range(4):
        zoo.image(f"{n}.png", encoded(zoo.fresh(), "PNG"))
    looks = tmp_path / "looks.txt"

    def run() -> list[str]:
        looks.write_text("")
        audit_data([zoo.root], workers=1, look=once, resume=tmp_path / "kept.db")
        return sorted(looks.read_text().split())

    assert len(run()) == 8
    assert run() == []
    image = next(zoo.images.glob("2*"))
    os.utime(image, ns=(5, 5))
    next(zoo.masks.glob("3*")).unlink()
    assert run() == [image.name]


def test_another_file_is_never_written_into(zoo: Zoo, tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("mine" * 300)
    with pytest.raises(SettingsError, match="--resume"):
        audit_data([zoo.root], workers=1, resume=other)
    assert other.read_text() == "mine" * 300
