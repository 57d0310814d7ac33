import io
import random
import tracemalloc

import pytest

from decamo.history.log_names import LONGEST, lines_of, split_lines


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_by_their_mark(encoding: str) -> None:
    text = "Epoch 1: größer ✓\r\nEpoch 2\rEpoch 3\n"
    lines = [line for line in lines_of(io.BytesIO(text.encode(encoding))) if line]
    assert lines == ["Epoch 1: größer ✓", "Epoch 2", "Epoch 3"]


def test_a_stream_is_the_same_however_it_is_cut() -> None:
    rng = random.Random(0)
    text = "".join(rng.choice("ab\n\r") for _ in range(400))
    whole = [line for line in split_lines(iter([text])) if line]
    for _ in range(50):
        cuts = sorted(rng.randrange(len(text)) for _ in range(5))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert [line for line in split_lines(iter(pieces)) if line] == whole


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert list(lines_of(io.BytesIO(b"a\xff\xfeb\n"))) == ["a\ufffd\ufffdb"]


class _Endless(io.RawIOBase):
    """30 MB in a single line."""

    def __init__(self) -> None:
        self.left = 30_000_000

    def read(self, size: int = -1) -> bytes:
        size = min(size, self.left)
        self.left -= size
        return b"x" * size


def test_memory_does_not_grow_with_a_line() -> None:
    tracemalloc.start()
    lines = list(lines_of(_Endless()))  # type: ignore[arg-type]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [len(line) for line in lines] == [LONGEST]
    assert peak < 15_000_000
