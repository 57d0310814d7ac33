"""The check in constant memory refuses exactly what the plain one refuses."""

import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from decamo.errors import SettingsError
from decamo.storage.many_outputs import check_many_outputs
from decamo.storage.outputs import Read, Written, check_outputs


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(path.name.encode())
    return path


def _case(root: Path) -> None:
    touch(root / "in/Frog.PNG")
    (root / "out").symlink_to("in", target_is_directory=True)


def _hard_link(root: Path) -> None:
    touch(root / "in/Frog.PNG")
    (root / "out").mkdir()
    os.link(root / "in/Frog.PNG", root / "out/frog.png")


def _apart(root: Path) -> None:
    touch(root / "in/Frog.PNG")
    touch(root / "out/frog.png")


def _other_case_linked(root: Path) -> None:
    _hard_link(root)
    (root / "out/frog.png").rename(root / "out/FROG.png")


@pytest.mark.parametrize("made", [_case, _hard_link, _apart, _other_case_linked])
@pytest.mark.parametrize("names", [["frog.png"], ["frog.png", "FROG.png"], ["frog.png", "a/b.png"]])
@pytest.mark.parametrize("whole", [False, True])
def test_it_says_what_the_plain_check_says(
    made: Callable[[Path], None], names: list[str], whole: bool, tmp_path: Path
) -> None:
    made(tmp_path)
    read = tmp_path / "in" if whole else tmp_path / "in/Frog.PNG"
    reads = [Read("an image", read)]
    writes = [Written("--out", tmp_path / "out", folder=True)]
    writes += [Written("--out", tmp_path / "out" / name) for name in names]

    def said(check: Callable[[], None]) -> str:
        try:
            check()
        except SettingsError as error:
            return str(error)
        return ""

    plain = said(lambda: check_outputs(reads, writes))
    assert said(lambda: check_many_outputs(lambda: reads, lambda: writes)) == plain
    if made is not _apart and names == ["frog.png"] and not whole:
        assert plain  # there is something to refuse


def test_an_output_below_another_is_refused(tmp_path: Path) -> None:
    writes = [Written("--out", tmp_path / "x"), Written("--json", tmp_path / "x/y.json")]
    with pytest.raises(SettingsError, match="also where --out"):
        check_many_outputs(list, lambda: writes)


@pytest.mark.long
def test_an_output_costs_a_few_bytes(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        def writes() -> Iterator[Written]:
            return (Written("--out", tmp_path / f"{n}.png") for n in range(count))

        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        check_many_outputs(lambda: (), writes)
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        # the least of some: now and then the interpreter's own table of names moves house
        few, many = (min(peak(count) for _ in range(3)) for count in (300, 900))
    finally:
        tracemalloc.stop()
    assert many - few < 600 * 64
