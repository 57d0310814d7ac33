import io
import re
from pathlib import Path

import pytest
from torch.utils.tensorboard.writer import SummaryWriter

from decamo.errors import DataError
from decamo.history import EpochDone, Journal, read_training_log
from tests.history.test_records import RECORD

LINE = "Epoch 3: Loss: 0.5 | IoU: 0.6\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    with Journal(folder / "journal.jsonl") as journal:
        journal.on_event(EpochDone(RECORD, best=True))
    (folder / "best_model.pth").write_bytes(b"weights")
    (folder / "metrics.csv").write_text("epoch,iou\n1,0.5\n")
    return folder


def test_a_run_folder_and_its_journal(run: Path) -> None:
    for path in (run, str(run), run / "journal.jsonl"):
        past = read_training_log([path])
        assert [p.epoch for p in past.points] == [87]
        assert past.checkpoint == str(run / "best_model.pth")
    assert read_training_log([run]).source == str(run)


def test_a_log_file_and_a_pipe(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_bytes(b"\xff\xfe" + LINE.encode("utf-16-le"))
    assert read_training_log([log]).points[0].iou == 0.6
    past = read_training_log(["-"], io.BytesIO(LINE.encode()))
    assert (past.points[0].epoch, past.source) == (3, "standard input")
    journal_like = '{"kind": "epoch", "epoch": 5, "iou": 0.5}\n'
    assert read_training_log(["-"], io.BytesIO(journal_like.encode())).points[0].epoch == 5


def test_several_are_one_lineage(run: Path, tmp_path: Path) -> None:
    (tmp_path / "before.log").write_text(LINE)
    past = read_training_log([run, tmp_path / "before.log"])
    assert [p.epoch for p in past.points] == [3, 87]
    assert past.checkpoint == str(run / "best_model.pth")


def test_a_folder_of_another_tool(tmp_path: Path) -> None:
    version = tmp_path / "lightning_logs" / "version_0"
    version.mkdir(parents=True)
    (tmp_path / "requirements.txt").write_text("torch\n")
    (version / "metrics.csv").write_text("epoch,step,val_iou\n0,9,0.5\n1,19,0.6\n")
    past = read_training_log([tmp_path])
    assert [(p.epoch, p.iou) for p in past.points] == [(1, 0.5), (2, 0.6)]
    assert past.notes[0] == f"read from {Path('lightning_logs/version_0/metrics.csv')}"


def test_event_files_alone(tmp_path: Path) -> None:
    writer = SummaryWriter(str(tmp_path / "tb"))
    writer.add_scalar("val/iou", 0.5, 1)
    writer.close()
    (file,) = (tmp_path / "tb").iterdir()
    for path in (tmp_path, tmp_path / "tb", file):
        assert read_training_log([path]).points[0].iou == 0.5


def test_what_is_no_log_is_refused_in_a_line_that_says_what_was_looked_for(tmp_path: Path) -> None:
    for content in (b"", b"hello\n", bytes(range(256)) * 100):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(DataError, match="not a log: no line names an epoch with a loss"):
            read_training_log([tmp_path / "x"])
        with pytest.raises(DataError, match="standard input: is not a log"):
            read_training_log(["-"], io.BytesIO(content))


def test_a_log_that_has_just_begun_is_one(tmp_path: Path) -> None:
    for line in ("Epoch 1/100", "start: epoch 1 to 86, step 0 to 709, LR 0.1 -> 0.2 (a new run)"):
        (tmp_path / "x.log").write_text(f"{line}\n")
        assert read_training_log([tmp_path / "x.log"]).notes == ("no epoch found",)


def test_what_is_missing_has_a_nearest_remedy(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file or folder; did you mean .*run\?"):
        read_training_log([tmp_path / "runn"])
    with pytest.raises(DataError, match=r"did you mean .*journal\.jsonl\?"):
        read_training_log([run / "journal.json"])
    with pytest.raises(DataError, match="no such file or folder"):
        read_training_log([run / "journal.jsonl" / "x"])
    with pytest.raises(DataError, match="name a run folder or a log"):
        read_training_log([tmp_path / "zzz"])


def test_what_holds_no_past_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.pth").write_bytes(b"")
    with pytest.raises(DataError, match=r"holds no journal\.jsonl"):
        read_training_log([tmp_path / "empty"])
    with pytest.raises(DataError, match=rf"holds weights.*name its folder {re.escape(str(run))}"):
        read_training_log([run / "best_model.pth"])
    with pytest.raises(DataError, match=r"holds weights.*name a run folder"):
        read_training_log([tmp_path / "other.pth"])
    with pytest.raises(DataError, match="none given"):
        read_training_log([])
    with pytest.raises(DataError, match="no standard input"):
        read_training_log(["-"])
    with pytest.raises(DataError, match=r"cannot be read|no such file"):
        read_training_log(["a\0b"])
