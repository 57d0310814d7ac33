"""A cluster that asks for a token, as `ray start --head` makes one where a token lies."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]
REACH = """
import sys
from decamo.cluster.ray_session import connected
from decamo.cluster.where import OnRay
from decamo.errors import SettingsError
try:
    with connected(OnRay(sys.argv[1])) as nodes:
        print(len(nodes), "node")
except SettingsError as error:
    print(error)
"""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody whose home holds a token."""
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("0" * 64)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    return kept | {"HOME": str(tmp_path), "RAY_USAGE_STATS_ENABLED": "0"}


@pytest.fixture
def address(home: dict[str, str], tmp_path: Path) -> Iterator[str]:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        port = line.getsockname()[1]
    words = [
        str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus", "1",
        "--num-gpus", "0", "--port", str(port), "--include-dashboard=false",
        "--object-store-memory", "80000000",
    ]  # fmt: skip
    said = tmp_path / "head.txt"
    with (
        said.open("w") as out,
        subprocess.Popen(words, env=home, stdout=out, stderr=subprocess.STDOUT) as head,
    ):
        end = time.monotonic() + 120
        while "Ray runtime started" not in said.read_text():
            assert head.poll() is None, said.read_text()
            assert time.monotonic() < end, said.read_text()
            time.sleep(0.2)
        assert "Token authentication is enabled" in said.read_text()
        yield f"127.0.0.1:{port}"
        head.terminate()


def reached(address: str, env: dict[str, str]) -> str:
    words = [sys.executable, "-c", REACH, address]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.strip()


def test_the_line_says_how_it_is_sent(address: str, home: dict[str, str]) -> None:
    told = reached(address, home)
    assert told.startswith(f"--on: ray:{address}: Failed to connect to Ray cluster at ")
    assert "set RAY_AUTH_MODE=token here as well" in told
    assert reached(address, home | {"RAY_AUTH_MODE": "token"}) == "1 node"
