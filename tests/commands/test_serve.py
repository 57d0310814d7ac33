import json
import os
import re
import signal
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import decamo
from decamo.cli import main


def test_it_answers_as_python_does_until_ctrl_c(
    trained: Path, scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, over = next(scenes.rglob("*.jpg")), threading.Event()
    read, written = os.pipe()

    def somebody() -> Any:
        """Reads the address, asks once, and presses Ctrl-C whatever the answer is."""
        try:
            with os.fdopen(read) as said:
                found = re.match(r"(http://localhost:\d+/)", said.readline())
            assert found is not None
            ask = urllib.request.Request(
                found[1] + "v1/predict", photo.read_bytes(), {"content-type": "image/jpeg"}
            )
            with urllib.request.urlopen(ask, timeout=60) as reply:
                return json.loads(reply.read())
        finally:
            if not over.is_set():
                os.kill(os.getpid(), signal.SIGINT)

    with ThreadPoolExecutor(1) as beside, monkeypatch.context() as patch:
        answered = beside.submit(somebody)
        with os.fdopen(written, "w") as out:
            patch.setattr("sys.stdout", out)
            code = main(["serve", str(trained), "--port", "0", "--device", "cpu"])
            over.set()
        answer = answered.result()
    assert code in (0, 130)

    expected = decamo.predict(trained, photo, device="cpu")
    assert isinstance(expected, decamo.Prediction)
    assert answer["area"] == expected.mask.sum()
    assert answer["size"] == list(np.asarray(Image.open(photo)).shape[:2])
    assert len(answer["experts"]) == 4
    for shares in answer["experts"].values():
        assert sum(shares.values()) == pytest.approx(1, abs=1e-3)


def test_a_port_that_is_taken_is_one_line(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", str(trained), "--port", "99999999", "--device", "cpu"]) == 2
    assert "--port" in capsys.readouterr().err
