"""What is refused before Ray is started, within seconds."""

import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from decamo.cluster import OnRay, Share
from decamo.cluster.nodes import Node, device_on, nodes_for, settled
from decamo.cluster.place import place_of
from decamo.errors import MissingExtra, SettingsError


@pytest.fixture
def web() -> Iterator[str]:
    """Address of a server that is not Ray's."""

    class Quiet(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def reach(address: str, folder: Path, share: Share = Share()) -> None:  # noqa: B008
    on = OnRay(address)
    with place_of(on, share, folder, device="cpu", precision="auto", threads=1):
        raise AssertionError("it went on")


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--on: nobody answers at 127.0.0.1:1: .*; start one"):
        reach("127.0.0.1:1", tmp_path)


def test_what_answers_is_something_else(tmp_path: Path, web: str) -> None:
    with pytest.raises(SettingsError, match=f"what answers at {web} is not Ray; start one"):
        reach(web, tmp_path)


def test_the_environment_names_the_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(SettingsError, match=r"nobody answers at 127.0.0.1:1"):
        reach("", tmp_path)


def test_without_ray_the_line_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ray_tasks", "ray_session"):
        monkeypatch.delitem(sys.modules, f"decamo.cluster.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"ray: not installed, .*pip install 'decamo\[ray\]'"):
        reach("auto", tmp_path)


def test_a_share_without_a_cluster_is_a_mistake(tmp_path: Path) -> None:
    with (
        pytest.raises(SettingsError, match="--gpus-per-trial: given without --on; add --on ray"),
        place_of(None, Share(gpus=1), tmp_path, device="cpu", precision="auto", threads=1),
    ):
        raise AssertionError("it went on")


PLAIN, T4, A100 = Node("a", "h0", 8, 0), Node("b", "h1", 8, 4, "T4"), Node("c", "h2", 4, 8, "A100")


def test_a_share_that_is_left_open_is_what_the_cluster_has() -> None:
    assert settled(Share(), [PLAIN], "auto", 3) == Share(3, 0)
    assert settled(Share(), [PLAIN, T4], "auto", 3) == Share(1, 1)
    assert settled(Share(), [PLAIN, T4], "cpu", 3) == Share(3, 0)
    assert settled(Share(2, 0.5), [PLAIN, T4], "cuda", 3) == Share(2, 0.5)


@pytest.mark.parametrize(
    ("share", "device", "told"),
    [
        (Share(gpus=1), "cpu", "--device: got cpu beside --gpus-per-trial 1"),
        (Share(gpus=0), "cuda", "--device: got cuda beside --gpus-per-trial 0"),
        (Share(), "cuda:1", "--device: got cuda:1 beside --on ray"),
    ],
)
def test_a_device_that_contradicts_it_is_a_mistake(share: Share, device: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        settled(share, [T4], device, 1)


def test_only_nodes_with_room_take_part() -> None:
    nodes = [PLAIN, T4, A100]
    assert nodes_for(nodes, Share(8, 0)) == (PLAIN, T4)
    assert nodes_for(nodes, Share(1, 8)) == (A100,)
    with pytest.raises(SettingsError, match="got 9, and no node of the cluster has more than 8"):
        nodes_for(nodes, Share(1, 9))
    with pytest.raises(SettingsError, match="no node has both 8 GPUs and 8 CPUs"):
        nodes_for(nodes, Share(8, 8))


def test_a_number_format_that_depends_on_the_node_is_a_mistake() -> None:
    assert device_on([PLAIN], Share(1, 0), "auto") == "cpu"
    assert device_on([T4, A100], Share(1, 1), "fp16") == device_on([T4], Share(1, 1), "auto")
    with pytest.raises(SettingsError, match=r"--precision: got auto, .* A100, T4; say one"):
        device_on([T4, A100], Share(1, 1), "auto")
