"""What reading processes do, in this one: facts of odd files, and answers over a pipe."""

import io
import json
import os
import threading
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from decamo.data.audit import workers
from decamo.data.audit.look import _grey_plane, look_at
from decamo.data.cache.sample_sources import _task
from decamo.data.rules import ReadingRule


def jpeg(**options: Any) -> bytes:
    out = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    Image.fromarray(noise).save(out, "JPEG", **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "fault", "reason"),
    [
        (b"", "empty-file", "the file is empty"),
        (b"hello, this is no picture", "not-an-image", "no image inside"),
        (b"<html><body></body></html>", "not-an-image", "it looks like"),
        (jpeg()[:1500], "truncated", ""),
        (b"\xff\xd8\xff\xd9", "damaged", "the JPEG ends before any picture"),
        (jpeg(exif=b"Exif\x00\x00garbled"), "", ""),
    ],
)
def test_what_is_wrong_with_a_file_is_a_fact(
    tmp_path: Path, data: bytes, fault: str, reason: str
) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    facts = look_at(str(tmp_path / "a.jpg"), "image")
    assert facts["fault"] == fault
    assert reason in facts["reason"]
    assert facts.get("size", 0) == len(data)


def test_an_orientation_that_is_none_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    (tmp_path / "a.jpg").write_bytes(jpeg(exif=exif))
    facts = look_at(str(tmp_path / "a.jpg"), "image")
    assert (facts["fault"], facts["orientation"]) == ("", 1)
    assert tuple(facts["shown"]) == tuple(facts["stored"]) == (64, 48)


def test_a_file_that_is_gone_is_a_fact(tmp_path: Path) -> None:
    facts = look_at(str(tmp_path / "a.jpg"), "mask")
    assert (facts["fault"], facts["reason"]) == ("unreadable", os.strerror(2))


def test_a_palette_of_black_alone_counts_by_its_numbers() -> None:
    picture = Image.fromarray(np.array([[0, 3], [1, 0]], np.uint8), "L").copy()
    indexed = Image.frombytes("P", picture.size, picture.tobytes())
    indexed.putpalette([0, 0, 0] * 4)
    values, white = _grey_plane(indexed)
    assert (values.tolist(), white) == ([[0, 3], [1, 0]], 3)


def test_a_reading_process_answers_until_nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    quieted: list[int] = []
    monkeypatch.setattr(os, "dup2", lambda _, number: quieted.append(number))

    def work(path: str, role: str) -> dict[str, Any]:
        if role == "mask":
            raise ValueError("odd")
        return {"path": path}

    ours, theirs = Pipe()
    serving = threading.Thread(target=workers._serve, args=(theirs, work))
    serving.start()
    assert json.loads(ours.recv_bytes()) is None  # it is ready
    for task, answer in ((["a", "image"], {"path": "a"}), (["b", "mask"], "ValueError: odd")):
        ours.send_bytes(json.dumps(task).encode())
        assert json.loads(ours.recv_bytes()) == answer
    ours.close()
    serving.join(5)
    assert not serving.is_alive()
    assert quieted == [2]


def test_a_sample_that_cannot_be_made_is_told_and_others_are(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    Image.new("L", (40, 30), 255).save(tmp_path / "m.png")
    rule, path = json.dumps(ReadingRule().to_plain()), tmp_path / "samples"
    side, channels, index = 8, 4, 1
    path.write_bytes(bytes(2 * side * side * channels))
    numbers = [str(number) for number in (side, channels, 0, index)]
    image, mask = str(tmp_path / "a.png"), str(tmp_path / "m.png")
    assert _task(image, mask, rule, str(path), *numbers) == {}
    written = np.frombuffer(path.read_bytes(), np.uint8).reshape(2, -1)
    assert not written[0].any()
    assert written[1].any()
    told: Any = _task(str(tmp_path / "b.png"), mask, rule, str(path), *numbers)
    assert told["unreadable"][:2] == [str(tmp_path / "b.png"), os.strerror(2)]
    unwritten = _task(image, mask, rule, str(tmp_path / "none" / "samples"), *numbers)
    assert unwritten == {"unwritten": os.strerror(2)}
