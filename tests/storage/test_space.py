import errno
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from decamo.errors import StorageError
from decamo.storage import check_space, file_bytes, run_bytes
from decamo.storage.sealed import save_sealed


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def disk(monkeypatch: pytest.MonkeyPatch, free: int, total: int = 10**12) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(total, total - free, free))


class TestCheckSpace:
    def test_says_what_is_needed_what_is_free_and_what_to_do(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        disk(monkeypatch, free=1_200_000_000)

        with pytest.raises(StorageError) as caught:
            check_space(tmp_path, 1_500_000_000)

        assert caught.value.got == "1.5 GB are needed and 1.2 GB are free"
        assert caught.value.remedy == "free 300.0 MB or name another --checkpoint-dir"
        assert len(str(caught.value).splitlines()) == 1

    def test_exactly_enough_is_enough(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        disk(monkeypatch, free=999)
        check_space(tmp_path, 999)
        with pytest.raises(StorageError, match=r"1\.0 kB are needed"):
            check_space(tmp_path, 1000)

    def test_a_folder_not_made_yet_is_asked_for_by_its_parent(self, tmp_path: Path) -> None:
        check_space(tmp_path / "not" / "yet", 1)
        with pytest.raises(StorageError, match="not/yet"):
            check_space(tmp_path / "not" / "yet", 10**18)

    def test_a_disk_that_names_no_size_is_believed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        disk(monkeypatch, free=0, total=0)
        check_space(tmp_path, 10**18)

    def test_a_disk_that_cannot_be_asked_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: Any) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(shutil, "disk_usage", fail)
        with pytest.raises(StorageError, match="Input/output error"):
            check_space(tmp_path, 1)

    def test_a_save_asks_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        disk(monkeypatch, free=100)
        with pytest.raises(StorageError, match="are needed and 100 bytes are free"):
            save_sealed(tmp_path / "x.pth", {"format": 1})
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("average", [False, True])
def test_the_length_of_a_file_is_foretold(tmp_path: Path, average: bool) -> None:
    weights = torch.zeros(1_000_000)
    moments = {"exp_avg": weights.clone(), "exp_avg_sq": weights.clone()}
    state = {"model": {"w": weights}, "optimiser": {"w": moments}}
    if average:
        state["ema"] = {"w": weights.clone()}
    save_sealed(tmp_path / "x.pth", state)

    true = (tmp_path / "x.pth").stat().st_size
    assert true <= file_bytes(4_000_000, average=average) <= 1.25 * true


class TestRunBytes:
    def test_of_a_new_run_is_five_files_and_the_snapshots(self, tmp_path: Path) -> None:
        assert run_bytes(tmp_path / "new", 1000) == 5000
        assert run_bytes(tmp_path, 1000, snapshots=3) == 8000

    def test_what_is_held_already_is_not_asked_for_again(self, tmp_path: Path) -> None:
        (tmp_path / "last.pth").write_bytes(b"x" * 1000)
        (tmp_path / "notes.txt").write_bytes(b"x" * 1000)
        assert run_bytes(tmp_path, 1000) == 4000

        os.link(tmp_path / "last.pth", tmp_path / "best_model.pth")
        assert run_bytes(tmp_path, 1000) == 4000

    def test_one_more_file_is_always_needed(self, tmp_path: Path) -> None:
        for number in range(9):
            (tmp_path / f"{number}.pth").write_bytes(b"x" * 1000)
        (tmp_path / "gone.pth").symlink_to(tmp_path / "nowhere")
        assert run_bytes(tmp_path, 1000) == 1000
