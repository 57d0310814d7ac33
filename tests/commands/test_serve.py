import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import decamo
from decamo.cli import main


def test_it_answers_as_python_does_until_ctrl_c(trained: Path, scenes: Path) -> None:
    photo = next(scenes.rglob("*.jpg"))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    words = [
        sys.executable,
        "-m",
        "decamo",
        "serve",
        str(trained),
        "--port",
        "0",
        "--device",
        "cpu",
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout is not None
        found = re.match(r"(http://localhost:\d+/)", run.stdout.readline())
        assert found is not None
        ask = urllib.request.Request(
            found[1] + "v1/predict", photo.read_bytes(), {"content-type": "image/jpeg"}
        )
        with urllib.request.urlopen(ask, timeout=60) as reply:
            answer = json.loads(reply.read())
        run.send_signal(signal.SIGINT)
        assert run.wait(30) in (0, 130)

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
