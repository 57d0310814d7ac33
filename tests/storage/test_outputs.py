import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from decamo.errors import SettingsError, StorageError
from decamo.storage.outputs import (
    PLAN_MARK,
    PREDICTION_MARK,
    Read,
    Written,
    check_outputs,
    mark_of,
    write_output,
)

Arrange = Callable[[], tuple[list[Read], list[Written]]]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set ``gt``, a checkpoint, a folder ``out``; all paths are relative to it."""
    monkeypatch.chdir(tmp_path)
    Path("out").mkdir()
    Path("gt/deep").mkdir(parents=True)
    for name in ("m.pth", "gt/s0.png", "gt/deep/s1.npy", "gt/notes.txt", "gt/caf\u00e9.png", "log"):
        Path(name).write_bytes(b"precious " + name.encode())


def picture(path: str, software: str) -> None:
    mark = PngInfo()
    mark.add_text("Title", "any")
    mark.add_text("Software", software)
    Image.new("L", (3, 2)).save(path, pnginfo=mark)


def linked(name: str, target: str, *, hard: bool) -> str:
    (os.link if hard else os.symlink)(Path(target).absolute(), name)
    return name


FILE, FOLDER = [("CHECKPOINT", "m.pth")], [("--masks", "gt")]


@pytest.mark.parametrize(
    ("reads", "flag", "output", "named"),
    [
        (FILE, "--png", "m.pth", "m.pth"),
        (FILE, "--png", "out/../m.pth", "m.pth"),
        (FILE, "--png", "M.PTH", "m.pth"),
        (FILE, "--out", "soft", "m.pth"),
        (FILE, "--out", "hard", "m.pth"),
        (FILE, "--out", "way/m.pth", "m.pth"),
        ([("--teacher", "soft")], "--out", "m.pth", "soft"),
        (FOLDER, "--atlas", "gt/s0.png", "gt/s0.png"),
        (FOLDER, "--atlas", "gt/S0.PNG", "gt/s0.png"),
        (FOLDER, "--out", "gt/deep/s1.npy", "gt/deep/s1.npy"),
        (FOLDER, "--out", "out/hard.png", "gt/s0.png"),
        (FOLDER, "--out", "gt/cafe\u0301.png", "gt/caf\u00e9.png"),
        ([("--masks", "gtlink")], "--out", "gt/s0.png", "gtlink/s0.png"),
        ([("RUN", "log")], "--json", "log", "log"),
        (FOLDER, "--json", "gt/notes.txt", "gt/notes.txt"),
        (FOLDER, "--png", "gt/plan of an earlier command.png", "gt/plan of an"),
    ],
)
def test_an_output_that_meets_an_input_is_refused_and_both_are_named(
    reads: list[tuple[str, str]], flag: str, output: str, named: str
) -> None:
    linked("soft", "m.pth", hard=False)
    linked("hard", "m.pth", hard=True)
    linked("way", ".", hard=False)
    linked("gtlink", "gt", hard=False)
    linked("out/hard.png", "gt/s0.png", hard=True)
    picture("gt/plan of an earlier command.png", PREDICTION_MARK)
    with pytest.raises(SettingsError) as refused:
        check_outputs([Read(f, Path(p)) for f, p in reads], [Written(flag, Path(output))])
    told = str(refused.value)
    assert told.startswith(f"{flag}: {output} would replace {named}")
    assert reads[0][0] in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("flag", "output", "named"),
    [
        ("--csv", "gt/s0.png", "a file of another kind"),
        ("--html", "m.pth", "a file of another kind"),
        ("--json", "out", "out is a folder"),
        ("--json", "m.pth/r.json", "m.pth is a file, not a folder"),
        ("--json", "-", "names no file"),
        ("--csv", "", "is a folder"),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(flag: str, output: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named) as refused:
        check_outputs([], [Written(flag, Path(output))])
    assert str(refused.value).startswith(flag)


@pytest.mark.parametrize(
    "writes",
    [
        [Written("--csv", Path("r")), Written("--json", Path("r"))],
        [Written("--csv", Path("out/r")), Written("--json", Path("out/../out/R"))],
        [Written("--csv", Path("one")), Written("--json", Path("two"))],
        [Written("--out", Path("o"), folder=True), Written("--json", Path("o"))],
        [Written("--out", Path("o/x.png")), Written("--json", Path("o"))],
        [Written("--out", Path("o/caf\u00e9.png")), Written("--out", Path("o/cafe\u0301.png"))],
    ],
)
def test_two_outputs_in_one_place_are_refused(writes: list[Written]) -> None:
    Path("one").write_text("earlier")
    linked("two", "one", hard=True)
    with pytest.raises(SettingsError, match="is also where"):
        check_outputs([], writes)


def test_an_output_is_not_what_standard_output_goes_into(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Path("said.txt").open("w") as said:
        monkeypatch.setattr(sys, "stdout", said)
        with pytest.raises(SettingsError, match="standard output"):
            check_outputs([], [Written("--json", Path("said.txt"))])
        check_outputs([], [Written("--json", Path("other.txt"))])


@pytest.mark.parametrize(
    ("reads", "flag", "output"),
    [
        (FOLDER, "--csv", "gt/scores.csv"),
        (FOLDER, "--json", "gt/report.json"),
        (FOLDER, "--html", "gt/new.html"),
        (FOLDER, "--png", "gt/plan.png"),
        (FOLDER, "--png", "gt/older.png"),
        (FOLDER, "--out", "gt/map.png"),
        (FOLDER, "--out", "gt/new/deep/map.png"),
        (FILE, "--json", "away/to/r.json"),
        (FILE, "--json", "/dev/null"),
        ([("RUN", "nowhere")], "--json", "r.json"),
    ],
)
def test_a_new_file_and_a_commands_own_earlier_one_are_welcome(
    reads: list[tuple[str, str]], flag: str, output: str
) -> None:
    Path("gt/scores.csv").write_text("earlier")
    Path("gt/report.json").write_text('{\n  "decamo": "0.1.0"\n}')
    picture("gt/plan.png", PLAN_MARK)
    picture("gt/older.png", "Matplotlib version3.9")
    picture("gt/map.png", PREDICTION_MARK)
    check_outputs([Read(f, Path(p)) for f, p in reads], [Written(flag, Path(output))])


def test_what_is_always_renamed_into_place_may_be_a_link_to_an_input_but_not_the_input() -> None:
    linked("hard", "m.pth", hard=True)
    read = Read("--teacher", Path("m.pth"))
    check_outputs([read], [Written("--checkpoint-dir", Path("hard"), linked=True)])
    with pytest.raises(SettingsError, match="which is read"):
        check_outputs([read], [Written("--checkpoint-dir", Path("m.pth"), linked=True)])


def test_a_loop_of_links_ends() -> None:
    linked("gt/self", "gt", hard=False)
    linked("gt/nowhere", "missing", hard=False)
    with pytest.raises(SettingsError, match=r"s0\.png"):
        check_outputs([Read("--masks", Path("gt"))], [Written("--atlas", Path("gt/s0.png"))])


class TestWriteOutput:
    def test_makes_the_folder_and_writes_through_a_link(self) -> None:
        linked("link", "new/r.txt", hard=False)
        write_output(Path("new/r.txt"), b"one")
        write_output(Path("link"), b"two", b"three")
        assert Path("link").is_symlink()
        assert Path("new/r.txt").read_bytes() == b"twothree"
        assert [p.name for p in Path("new").iterdir()] == ["r.txt"]

    def test_leaves_the_bytes_of_a_hard_link_alone(self) -> None:
        linked("out/h", "m.pth", hard=True)
        write_output(Path("out/h"), b"new")
        assert Path("m.pth").read_bytes() == b"precious m.pth"

    def test_writes_into_a_device(self) -> None:
        write_output(Path("/dev/null"), b"x")
        assert not Path("/dev/null").is_file()

    @pytest.mark.parametrize("path", ["m.pth/r", "out", "loop"])
    def test_tells_what_cannot_be(self, path: str) -> None:
        Path("loop").symlink_to("loop")
        with pytest.raises(StorageError):
            write_output(Path(path), b"x")


@pytest.mark.parametrize("damage", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", None])
def test_a_file_without_a_mark_has_none(damage: bytes | None) -> None:
    out = io.BytesIO()
    Image.new("L", (2, 2)).save(out, "PNG")
    Path("x.png").write_bytes(out.getvalue() if damage is None else damage)
    assert mark_of(Path("x.png")) == ""
    assert mark_of(Path("missing.png")) == ""
