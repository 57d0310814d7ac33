import io
import os
import pty
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from decamo.history import (
    EpochDone,
    GroupsOpened,
    Interrupted,
    MemoryRanOut,
    ReadingTrouble,
    RolledBack,
    Saved,
    StageStarted,
    StepDone,
    StepRecord,
    Validating,
)
from decamo.report.console import Console
from decamo.schedule import Position
from tests.history.test_records import RECORD
from tests.report.lineages import started

STEP = StepRecord(7, 3, 0.25, {"bce": 0.25}, {"head": 0.1}, 1.0)


@dataclass
class Clock:
    """Seconds that pass when told to."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")


class TestWithoutTerminal:
    def test_epoch_line_is_whole_plain_and_alone(self, narrow: None) -> None:
        out = io.StringIO()
        with Console(out, Clock()) as console:
            console.on_event(EpochDone(RECORD, best=True))

        assert out.getvalue() == RECORD.line() + "\n"

    @pytest.mark.parametrize(
        "line", ["[bold]not markup[/bold]", "data/:dog:/x", "12 images, 'x' True", "ü" * 300, ""]
    )
    def test_lines_are_printed_as_they_are(self, narrow: None, line: str) -> None:
        out = io.StringIO()
        Console(out, Clock()).say(line)

        assert out.getvalue() == line + "\n"

    def test_tells_stages_unfreezings_and_stops(self) -> None:
        out = io.StringIO()
        stage1, stage2 = started().plan.stages
        with Console(out, Clock()) as console:
            console.on_event(StageStarted(stage1, 1))
            console.on_event(StageStarted(stage2, 87))
            console.on_event(GroupsOpened(300, frozenset({"head", "backbone.3"})))
            console.on_event(Saved(Path("last.pth"), Position(), 0.5))
            console.on_event(Interrupted(Position(2, 25, 1), "on SIGTERM"))

        assert out.getvalue().splitlines() == [
            "stage 1 (frozen backbone): epochs 1 to 30, 10 steps each at 384 px",
            "stage 2 (fine-tuning): epochs 87 to 120, 10 steps each at 384 px",
            "learning from step 300 on: backbone.3, head",
            "stopped after step 25, on SIGTERM; saved",
        ]

    def test_tells_ways_out_of_trouble(self) -> None:
        out = io.StringIO()
        keys = tuple(f"cod/{n}" for n in range(10))
        with Console(out, Clock()) as console:
            console.on_event(MemoryRanOut("training", 7, "micro-batch of 4 in 2 pieces"))
            console.on_event(ReadingTrouble(8, "a reading process was killed"))
            place, lineage = Position(2, 25, 0), started()
            console.on_event(RolledBack(40, place, "NaN; learning rates x 0.5", keys, lineage))
            console.on_event(RolledBack(40, place, "torn", (), lineage))

        assert out.getvalue().splitlines() == [
            "out of memory in training at step 7: micro-batch of 4 in 2 pieces",
            "reading, step 8: a reading process was killed",
            "back from step 40 to step 25 (epoch 3): NaN; learning rates x 0.5",
            "  images in question: cod/0, cod/1, cod/2, cod/3, cod/4, cod/5, cod/6, cod/7"
            " and 2 more",
            "back from step 40 to step 25 (epoch 3): torn",
        ]

    def test_gives_a_sign_of_life_a_minute(self) -> None:
        out, clock = io.StringIO(), Clock()
        with Console(out, clock) as console:
            for second in range(200):
                clock.now = float(second)
                console.on_event(StepDone(STEP, second, 1000))

        assert out.getvalue().splitlines() == [
            f"  epoch 3: step {second} of 1000, loss 0.2500" for second in (61, 122, 183)
        ]

    def test_says_when_a_step_was_left_out(self) -> None:
        out = io.StringIO()
        skipped = StepRecord(7, 3, float("nan"), {}, {}, float("inf"), skipped=True)
        Console(out, Clock()).on_event(StepDone(skipped, 1, 2))

        assert out.getvalue().startswith("step 7: the gradient was not finite")

    def test_progress_is_silent(self) -> None:
        out = io.StringIO()
        with Console(out, Clock()) as console:
            console.progress("looking")(1, 2)
            console.on_event(Validating(1, 2))

        assert out.getvalue() == ""


class Terminal:
    """A pseudo-terminal, and what was written to it."""

    def __init__(self) -> None:
        master, slave = pty.openpty()
        self.out = os.fdopen(slave, "w", encoding="utf-8")
        self._master = master
        self._seen = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 4096)
            except OSError:  # Linux says EIO once the other end is closed
                return
            if not data:
                return
            self._seen += data

    def close(self) -> str:
        """All that was written."""
        self.out.close()
        self._reader.join(timeout=10)
        os.close(self._master)
        return self._seen.decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    yield terminal
    if not terminal.out.closed:
        terminal.close()


class TestOnTerminal:
    def test_epoch_line_stands_whole_above_the_bar(self, terminal: Terminal) -> None:
        with Console(terminal.out, Clock()) as console:
            console.on_event(StepDone(STEP, 1, 2))
            console.on_event(EpochDone(RECORD, best=True))
            console.on_event(StepDone(STEP, 1, 2))
        written = terminal.close()

        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
        assert RECORD.line() in re.split(r"[\r\n]+", text)

    def test_bar_shows_how_far_it_is(self, terminal: Terminal) -> None:
        with Console(terminal.out, Clock()) as console:
            console.progress("looking at the images")(3, 8)
        written = terminal.close()

        assert "3/8" in written

    def test_cursor_comes_back_after_an_error(self, terminal: Terminal) -> None:
        with pytest.raises(KeyboardInterrupt), Console(terminal.out, Clock()):
            raise KeyboardInterrupt
        written = terminal.close()

        assert written.rfind("\x1b[?25h") > written.rfind("\x1b[?25l") >= 0

    def test_no_sign_of_life_is_needed(self, terminal: Terminal) -> None:
        clock = Clock()
        with Console(terminal.out, clock) as console:
            clock.now = 500.0
            console.on_event(StepDone(STEP, 1, 2))
        written = terminal.close()

        assert "loss" not in written
