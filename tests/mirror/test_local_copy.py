"""What lies at an address is read as if it lay here: once, whole, and only while it is the same."""

import json
from pathlib import Path

import pytest

import decamo
from decamo.cli import main
from decamo.errors import AddressError, AddressMissing, SettingsError
from decamo.mirror import beginning, local_checkpoint, local_log
from decamo.mirror.beginning import begin_mirror
from decamo.mirror.uploading import Mirror
from decamo.schedule import Position
from decamo.settings.addresses import address_in, check_address, shown_address
from decamo.storage import RunFolder
from tests.mirror.conftest import Bucket
from tests.mirror.test_mirrored_training import command

LOG = "".join(f"Epoch {n}: Loss: 0.5 | IoU: 0.{600 + n} | LR: 0.000200\n" for n in range(1, 30))


@pytest.fixture(scope="module")
def trained(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    assert main(command(scenes, folder, "", 2)) == 0
    return folder


@pytest.fixture
def mirrored(trained: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of that run."""
    monkeypatch.setattr(beginning, "_note", lambda *_: None)
    start = begin_mirror(bucket.address(), RunFolder(trained), resume=True, say=print)
    Mirror(start, trained, Position(2, 6), print).close()
    return bucket.address()


def test_a_checkpoint_of_a_mirror_is_loaded_by_its_name(
    trained: Path, mirrored: str, bucket: Bucket
) -> None:
    here = decamo.load(trained / "best_model.pth", device="cpu")
    there = decamo.load(f"{mirrored}/best_model.pth", device="cpu")
    assert there.path.read_bytes() == (trained / "best_model.pth").read_bytes()
    assert there.trained.epoch == here.trained.epoch
    as_path = local_checkpoint(Path(f"{mirrored}/best_model.pth"))  # a path loses a slash
    assert as_path == there.path
    before = there.path.stat().st_mtime_ns
    assert Path(local_checkpoint(f"{mirrored}/best_model.pth")).stat().st_mtime_ns == before
    with pytest.raises(AddressMissing, match="a run, not a checkpoint"):
        decamo.load(mirrored)
    with pytest.raises(AddressMissing, match="no such file"):
        decamo.load(f"{mirrored}/best.pth")


def test_commands_take_addresses(
    mirrored: str,
    scenes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    best = f"{mirrored}/best_model.pth"
    scored = tmp_path / "scores.json"
    words = ["--dataset-path", str(scenes), "--device", "cpu", "--resamples", "0"]
    assert main(["evaluate", f"OURS={best}", *words, "--json", str(scored), "--workers", "0"]) == 0
    assert list(json.loads(scored.read_bytes())["methods"]) == ["OURS"]
    maps = tmp_path / "maps"
    images = str(scenes / "Test" / "Image")
    assert main(["predict", best, images, "--out", str(maps), "--device", "cpu"]) == 0
    assert list(maps.rglob("*.png"))
    assert main(["plan", "--resume-from", best, "--epochs", "9"]) == 0
    assert "extend: --epochs 2 -> 9" in capsys.readouterr().out
    assert main(["diagnose", mirrored]) == 0
    page = tmp_path / "page.html"
    report = ["report", mirrored, "--html", str(page), "--no-gallery"]
    assert main(report) == 0
    assert "Epoch" in page.read_text() or page.stat().st_size > 1000
    assert [p.epoch for p in decamo.Run(mirrored).past.points] == [1, 2]
    assert decamo.Run(mirrored).past.checkpoint == best
    capsys.readouterr()
    assert main(["predict", best, images, "--out", f"{mirrored}/maps"]) == 2
    assert "this is written to this machine only" in capsys.readouterr().err


def test_a_run_branches_from_an_address(
    mirrored: str, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--checkpoint-dir", str(tmp_path / "branch"), "--tracker", "none"]
    resume = ["--resume-from", f"{mirrored}/last.pth", "--epochs", "3"]
    assert main(["train", *place, *resume]) == 0
    assert "Epoch 3:" in capsys.readouterr().out
    assert (tmp_path / "branch" / "last.pth").exists()
    for flag, value in (("--dataset-path", mirrored), ("--checkpoint-dir", mirrored)):
        assert main(["train", *place, *resume, flag, value]) == 2
        assert flag in capsys.readouterr().err


def test_a_log_is_read_anew_when_it_has_changed(bucket: Bucket) -> None:
    bucket.write("logs/train.log", LOG.encode())
    address = bucket.address("logs/train.log")
    assert len(decamo.Run(address).past.points) == 29
    first = Path(local_log(address))
    bucket.write("logs/train.log", LOG.encode() + LOG.replace("Epoch ", "Epoch 3").encode())
    assert len(decamo.Run(address).past.points) > 29
    assert not first.exists()  # of each address the newest is kept
    with pytest.raises(AddressMissing):
        local_log(bucket.address("logs/none.log"))


def test_a_network_that_was_given_away(trained: Path, bucket: Bucket, tmp_path: Path) -> None:
    folder = decamo.load(trained / "last.pth", device="cpu").save_pretrained(tmp_path / "shared")
    for path in folder.iterdir():
        bucket.write(f"shared/{path.name}", path.read_bytes())
    there = decamo.load(bucket.address("shared"), device="cpu")
    assert there.trained.epoch == 2


def test_a_damaged_checkpoint_is_not_loaded(mirrored: str, bucket: Bucket) -> None:
    for key, size in bucket.keys().items():
        if key.endswith(".pth"):
            bucket.write(f"run/{key}", b"x" * size)
    with pytest.raises(AddressError, match="no version of it is whole"):
        decamo.load(f"{mirrored}/last.pth")


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("s3://b/x", "s3://b/x"),
        (Path("s3://b/x"), "s3://b/x"),
        ("S3://b/x", "s3://b/x"),
        (Path("file:///tmp/x"), "file:///tmp/x"),
        ("file:///tmp/x", "file:///tmp/x"),
        ("hf://user/name", ""),
        ("s3:/b/x", ""),
        ("C:/runs/x", ""),
        ("runs/x", ""),
        ("NAME=runs/x", ""),
        ("-", ""),
        ("", ""),
    ],
)
def test_what_is_an_address(name: str | Path, address: str) -> None:
    assert address_in(name) == address


def test_no_password_is_shown_or_kept() -> None:
    assert shown_address("sftp://me:secret@host/x") == "sftp://me@host/x"
    assert shown_address("https://host/x.pth?Signature=secret") == "https://host/x.pth"
    for text in ("sftp://me:secret@host/x", "https://host/x?Signature=secret"):
        with pytest.raises(SettingsError, match="password or a key") as found:
            check_address("--mirror", text)
        assert "secret" not in str(found.value)
    for text in ("runs/x", "zip://a::s3://b/c"):
        with pytest.raises(SettingsError, match="one address"):
            check_address("--mirror", text)
