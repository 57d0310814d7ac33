"""Tasks on three Ray nodes: all done, each once, whatever dies; and what is refused before any."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from decamo.cluster import Share
from decamo.cluster.place import place_of
from decamo.cluster.tasks import Place, one_after_another
from decamo.cluster.work_terms import Token, software_here, token_in
from decamo.errors import ClusterError, DataError, SettingsError
from tests.cluster.work import die_once, fail_or_wait, square, wait_to_be_stopped
from tests.ray_cluster import Nodes

Told = list[tuple[str, object]]


on_cpus = partial(place_of, device="auto", precision="auto", threads=1)


@pytest.fixture(scope="module")
def place(three_nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with on_cpus(three_nodes.on, Share(), tmp_path_factory.mktemp("all")) as found:
        yield found


def test_what_tasks_find_and_tell_is_what_they_do_one_after_another(
    place: Place, tmp_path: Path
) -> None:
    items = {f"of {n}": n for n in range(7)}
    here, there = tmp_path / "here", tmp_path / "there"
    heard: dict[Path, Told] = {here: [], there: []}
    found = {}
    for folder, runner in ((here, one_after_another), (there, place.runner)):
        folder.mkdir()
        listen = heard[folder]
        done = runner(square, folder, items, on_event=lambda *e, to=listen: to.append(e), stop=str)
        found[folder] = dict(done)
    assert place.device == "cpu"
    assert found[here] == found[there] == {key: n * n for key, n in items.items()}
    assert sorted(heard[here], key=str) == sorted(heard[there], key=str)
    assert len(heard[there]) == 7


def test_a_task_whose_worker_is_killed_begins_again_and_it_is_said(
    place: Place, tmp_path: Path
) -> None:
    heard: Told = []
    items = {str(n): n for n in range(4)}
    done = place.runner(die_once, tmp_path, items, on_event=lambda *e: heard.append(e), stop=str)
    assert dict(done) == items
    begun = {key: len((tmp_path / key).read_text().splitlines()) for key in items}
    assert begun == {"0": 1, "1": 2, "2": 1, "3": 2}
    lost = "its worker or node died; it goes on from its last checkpoint"
    assert {key for key, what in heard if what == lost} == {"1", "3"}


def test_a_task_that_dies_again_and_again_is_given_up_in_a_line(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decamo.cluster.ray_tasks._RETRIES", 0)
    done = place.runner(die_once, tmp_path, {"odd": 1}, on_event=lambda *_: None, stop=str)
    with pytest.raises(ClusterError, match="odd: its worker or node died 1 times, at last: "):
        dict(done)
    assert dict(
        place.runner(die_once, tmp_path, {"odd": 1}, on_event=lambda *_: None, stop=str)
    ) == {"odd": 1}


def test_asked_to_stop_those_under_way_end_and_the_others_do_not_begin(
    place: Place, tmp_path: Path
) -> None:
    heard: Told = []
    items = {name: name for name in "abcdef"}
    done = place.runner(
        wait_to_be_stopped, tmp_path, items,
        on_event=lambda *e: heard.append(e), stop=lambda: "enough" if heard else "",
    )  # fmt: skip
    found = dict(done)
    assert set(found.values()) == {"enough"}
    assert 1 <= len(found) <= 3  # one a node
    assert set(found) <= set(items)


def test_a_mistake_in_one_stops_the_others_first(place: Place, tmp_path: Path) -> None:
    items = {"waits": "waits", "fail": "fail"}
    done = place.runner(fail_or_wait, tmp_path, items, on_event=lambda *_: None, stop=str)
    with pytest.raises(DataError, match=r"some.png: cut short; copy it anew"):
        dict(done)
    assert not (tmp_path / "waits").exists() or (tmp_path / "stopped").read_text() == "waits"


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (Share(gpus=1), "--gpus-per-trial: got 1, and no node of the cluster has more than 0"),
        (Share(cpus=2), "--cpus-per-trial: got 2, and no node of the cluster has more than 1"),
    ],
)
def test_what_no_node_has_is_not_waited_for(
    three_nodes: Nodes, tmp_path: Path, share: Share, told: str
) -> None:
    with (
        pytest.raises(SettingsError, match=told),
        on_cpus(three_nodes.on, share, tmp_path),
    ):
        raise AssertionError("it went on")


def test_a_node_with_another_decamo_is_refused(
    three_nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(software_here(), source="0" * 64)
    monkeypatch.setattr("decamo.cluster.ray_session.software_here", lambda: other)
    with (
        pytest.raises(SettingsError, match=r"--on: node \S+ has other files of decamo"),
        on_cpus(three_nodes.on, Share(), tmp_path),
    ):
        raise AssertionError("it went on")


def test_a_folder_that_nodes_see_otherwise_is_refused(
    three_nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a disk of the command's machine alone: what it wrote is not there."""

    @contextmanager
    def elsewhere(_folder: Path) -> Iterator[Token]:
        yield Token(tmp_path / "gone" / ".seen", "text")

    monkeypatch.setattr("decamo.cluster.ray_tasks.token_in", elsewhere)
    with (
        pytest.raises(SettingsError, match=r"gone is not seen by \S+ \(No such file"),
        on_cpus(three_nodes.on, Share(), tmp_path),
    ):
        raise AssertionError("it went on")


def test_a_token_tells_another_folder_and_one_that_cannot_be_written(tmp_path: Path) -> None:
    with token_in(tmp_path) as token:
        assert token.trouble() == ""
        assert [path.name for path in tmp_path.iterdir()] == [token.path.name]
        assert "another file" in replace(token, text="other").trouble()
        token.path.unlink()
        assert "No such file" in token.trouble()
    assert list(tmp_path.iterdir()) == []
