import json
import os
import signal
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from decamo import __version__
from decamo.api.evaluating import evaluate
from decamo.errors import SettingsError
from decamo.evaluation.bootstrap import CURVES
from decamo.evaluation.breakdown import Loss
from decamo.evaluation.measuring import Dropped, ImageResult, measure_job
from decamo.evaluation.result_journal import packed_result, result_from
from decamo.metrics import BIN_CURVES, BINS, ImageMeasures
from decamo.storage.databases import Database

COUNT = 12
SIZES = dict.fromkeys(CURVES, 256) | dict.fromkeys(BIN_CURVES, BINS)


def measures(random: np.random.Generator) -> ImageMeasures:
    values: dict[str, Any] = {
        f.name: random.normal(size=SIZES[f.name]) if f.name in SIZES else float(random.normal())
        for f in fields(ImageMeasures)
    }
    return ImageMeasures(**values)


@pytest.mark.parametrize("kind", ["all", "bare", "dropped", "nan"])
def test_a_result_comes_back_to_the_bit(kind: str) -> None:
    random = np.random.default_rng(3)
    own, other = measures(random), measures(random)
    whole = ImageResult(
        "frog/ä\udce9", 0.1, "ab" * 32, True, False, True, own,
        Loss(*random.random(8).tolist()), 1 / 3, other, 7, 0.5,
    )  # fmt: skip
    results: dict[str, ImageResult | Dropped] = {
        "all": whole,
        "bare": ImageResult("x", 0.0, "", False, True, False, own),
        "dropped": Dropped("y", other, 3),
        "nan": replace(whole, measures=replace(own, s=float("nan"), f=np.full(256, np.inf))),
    }
    result = results[kind]
    back = result_from(packed_result(result))
    assert type(back) is type(result)
    for field in fields(result):
        was, now = getattr(result, field.name), getattr(back, field.name)
        if isinstance(was, ImageMeasures):
            for part in fields(was):
                a, b = (np.asarray(getattr(m, part.name)) for m in (was, now))
                assert a.tobytes() == b.tobytes()
        else:
            assert was == now


@pytest.fixture
def maps(tmp_path: Path) -> tuple[Path, Path]:
    random = np.random.default_rng(0)
    for n in range(COUNT):
        for folder in ("set/Imgs", "set/GT", "maps"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            pixels = random.integers(0, 256, (12, 10), dtype=np.uint8)
            pixels = np.where(pixels > 99, 255, 0).astype(np.uint8) if "GT" in folder else pixels
            Image.fromarray(pixels).save(tmp_path / folder / f"{n}.png")
    return tmp_path / "maps", tmp_path / "set"


def report(maps: tuple[Path, Path], **options: Any) -> str:
    scored = evaluate(maps[0], maps[1], workers=1, resamples=50, by=["size"], **options)
    return json.dumps(scored.to_plain(), default=str)


def test_a_killed_evaluation_goes_on_and_tells_the_same(
    maps: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = maps[0].parent / "kept.db"
    script = (
        "import os, signal, sys\n"
        "from decamo.storage import databases\n"
        "from decamo.evaluation import result_journal\n"
        "from decamo.api.evaluating import evaluate\n"
        "from pathlib import Path\n"
        "databases._SAVE_S = 0\n"
        "put, count = result_journal.ResultJournal.put, []\n"
        "def dying(self, key, result):\n"
        "    put(self, key, result)\n"
        "    count.append(1)\n"
        "    if len(count) == 5:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "result_journal.ResultJournal.put = dying\n"
        "evaluate(sys.argv[1], sys.argv[2], workers=1, resume=Path(sys.argv[3]))\n"
    )
    words = [sys.executable, "-c", script, *map(str, maps), str(kept)]
    died = subprocess.run(words, env=os.environ, capture_output=True, timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    plain, scored = report(maps), list[str]()
    real = measure_job

    def counted(job: Any, rules: Any) -> Any:
        scored.append(job.case.stem)
        return real(job, rules)

    monkeypatch.setattr("decamo.evaluation.measurer.measure_job", counted)
    assert report(maps, resume=kept) == plain
    assert len(scored) == COUNT - 5
    scored.clear()
    assert report(maps, resume=kept) == plain
    assert scored == []
    # a map that changed, and rules that did
    (maps[0] / "3.png").write_bytes((maps[0] / "4.png").read_bytes())
    os.utime(maps[0] / "3.png", ns=(1, 1))
    changed = report(maps)
    scored.clear()
    assert report(maps, resume=kept) == changed != plain
    assert scored == ["3"]
    scored.clear()
    assert report(maps, resume=kept, protocol="plain") == report(maps, protocol="plain")
    assert len(scored) == 2 * COUNT


def test_rows_of_before_the_calibration_error_begin_anew(maps: tuple[Path, Path]) -> None:
    kept = maps[0].parent / "kept.db"
    table = "CREATE TABLE result (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID;"
    old = Database(kept, f"decamo evaluate {__version__}", table, flag="--resume")
    old.write("INSERT INTO result VALUES (?, ?)", b"k" * 16, b"of six curves")
    old.settle()
    assert report(maps, resume=kept) == report(maps)
    kept.unlink()


def test_another_file_is_never_written_into(maps: tuple[Path, Path]) -> None:
    other = maps[0].parent / "notes.txt"
    other.write_text("mine" * 300)
    with pytest.raises(SettingsError, match="--resume"):
        report(maps, resume=other)
    assert other.read_text() == "mine" * 300
