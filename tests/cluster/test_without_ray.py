"""What tasks, workers and the session do of themselves: a desk in this process, no cluster."""

import pickle
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray.exceptions import GetTimeoutError, RayError

from decamo.cluster import OnRay, ray_desk, ray_session, ray_tasks
from decamo.cluster.nodes import Node
from decamo.cluster.ray_desk import DeskLine, _Desk
from decamo.cluster.ray_session import check_software, connected
from decamo.cluster.ray_tasks import _check_folder, _perform
from decamo.cluster.ray_workers import RayWorkers, _check_files, _Worker
from decamo.cluster.work_terms import Token, WorkTerms, seen_files, software_here, token_in
from decamo.errors import ClusterError, DataError, SettingsError, StorageError
from tests.cluster.work import square, wait_to_be_stopped

NODES = (Node("ab" * 28, "10.0.0.7", 2.0, 0.0, ""),)


class Desk:
    """An actor's handle whose calls are done at once, or never."""

    def __init__(self, *, dead: bool = False) -> None:
        self.inside, self.dead = _Desk(), dead
        self.report = SimpleNamespace(remote=self._report)

    def _report(self, *args: Any) -> Any:
        answer: Future[str] = Future()
        if self.dead:
            answer.set_exception(RayError("the actor died"))
        else:
            answer.set_result(self.inside.report(*args))
        return SimpleNamespace(future=lambda: answer)


@pytest.fixture
def terms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkTerms]:
    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: "10.0.0.7")
    with token_in(tmp_path) as token:
        yield WorkTerms(software_here(), Path.cwd(), seen_files([]), token)


class TestATask:
    def test_tells_and_finds(self, tmp_path: Path, terms: WorkTerms) -> None:
        desk = Desk()
        done = _perform(square, tmp_path, 3, "three", desk, terms)
        assert (done.found, done.error, done.begun) == (9, None, True)
        ((key, first, events),) = desk.inside.collect("")
        assert (key, pickle.loads(events)) == ("three", [])  # it had begun
        assert done.events == [("squared", 3)]  # no look was due: it goes with what was found
        assert first
        assert desk.inside.collect("") == []

    def test_does_not_begin_where_there_is_a_reason_to_stop(
        self, tmp_path: Path, terms: WorkTerms
    ) -> None:
        desk = Desk()
        desk.inside.collect("the budget is spent")
        assert not _perform(square, tmp_path, 3, "three", desk, terms).begun
        assert not (tmp_path / "3").exists()

    def test_hears_of_it_while_it_works(
        self, tmp_path: Path, terms: WorkTerms, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ray_desk, "LOOK_S", 0.02)
        desk, heard = Desk(), list[object]()

        def ask_to_stop() -> None:
            while not heard:
                for *_, events in desk.inside.collect(""):
                    heard.extend(pickle.loads(events))
            desk.inside.collect("enough")

        asking = threading.Thread(target=ask_to_stop)
        asking.start()
        done = _perform(wait_to_be_stopped, tmp_path, "a", "a", desk, terms)
        asking.join()
        assert (done.found, heard) == ("enough", ["waits"])

    def test_goes_on_without_its_desk(self, tmp_path: Path, terms: WorkTerms) -> None:
        assert _perform(square, tmp_path, 3, "three", Desk(dead=True), terms).found == 9
        line = DeskLine(Desk(dead=True), "key")
        assert (line.begin(), line.stop()) == ("", "")

    def test_hands_on_what_a_person_can_mend(self, tmp_path: Path, terms: WorkTerms) -> None:
        def fail(*_: object) -> None:
            raise DataError("a.png", "cut short", "copy it anew")

        done = _perform(fail, tmp_path, 3, "three", Desk(), terms)
        assert str(done.error) == "a.png: cut short; copy it anew"

    def test_looks_for_the_token(self, terms: WorkTerms) -> None:
        assert terms.token is not None
        assert ray_tasks._look(terms.token) == ""
        assert ray_tasks._look(Token(terms.token.path, "another")) != ""


class TestAWorker:
    def test_opens_once_and_hands_on_notes_and_errors(self, terms: WorkTerms) -> None:
        opened: list[str] = []

        class Work:
            def open(self) -> Any:
                opened.append("open")

                def do(block: list[int], say: Any) -> list[int]:
                    say("a note")
                    if 0 in block:
                        raise DataError("0", "nothing", "give more")
                    return [10 // one for one in block]

                return do

        worker, work = _Worker(), Work()
        assert worker.begin(terms).error is None
        done = worker.do("key", work, [1, 5])  # type: ignore[arg-type]
        assert (done.found, done.notes, done.error) == ([10, 2], ["a note"], None)
        failed = worker.do("key", work, [0])  # type: ignore[arg-type]
        assert (failed.found, failed.notes, str(failed.error)) == (
            (), ["a note"], "0: nothing; give more",
        )  # fmt: skip
        assert opened == ["open"]

    def test_that_sees_other_files_says_so(self, terms: WorkTerms, tmp_path: Path) -> None:
        assert terms.token is not None
        terms.token.path.write_text("another's")
        error = _Worker().begin(terms).error
        assert isinstance(error, SettingsError)
        assert "10.0.0.7" in str(error)

    def test_that_never_begins_is_told_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        said: list[str] = []
        crew = object.__new__(RayWorkers)
        crew._hands, crew._say, crew._idle_since = [], said.append, None
        now = [5.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        for now[0] in (5.0, 60.0, 66.0, 200.0, 300.0):
            crew._grumble()
        assert said == ["no worker has begun yet: the cluster has no room; see `ray status`"]

    def test_that_dies_again_and_again_names_what_it_had(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        blocks: Any = SimpleNamespace(
            held={4: ["a.png", "b.png"]}, again=lambda _: None, blame=lambda _: 5
        )
        crew = object.__new__(RayWorkers)
        crew._stillborn, crew._name = 0, str
        monkeypatch.setattr(crew, "_let_go", lambda _: None)
        hand: Any = SimpleNamespace(doing={"reference": 4}, ready=True)
        with pytest.raises(ClusterError, match=r"a\.png to b\.png: 5 workers died .*: killed; see"):
            crew._bury(hand, blocks, "killed")
        hand.doing, hand.ready, crew._stillborn = {}, False, 4
        with pytest.raises(ClusterError, match="a worker: 5 workers died on these"):
            crew._bury(hand, blocks, "killed")


class _Remote:
    """A function of Ray's that is asked of nobody."""

    def options(self, **_: object) -> "_Remote":
        return self

    def remote(self, *_: object) -> str:
        return "reference"


class TestANode:
    @pytest.fixture(params=[GetTimeoutError("no answer"), RayError("boom\nno module decamo")])
    def silent(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        def get(*_: object, **__: object) -> None:
            raise request.param

        monkeypatch.setattr(ray, "remote", lambda _: _Remote())
        monkeypatch.setattr(ray, "get", get)

    @pytest.mark.usefixtures("silent")
    def test_that_does_not_answer_is_named(self, terms: WorkTerms) -> None:
        assert terms.token is not None
        with pytest.raises(SettingsError, match=r"node 10\.0\.0\.7"):
            check_software(NODES)
        with pytest.raises(SettingsError, match=r"node 10\.0\.0\.7 has not looked at its files"):
            _check_files(NODES, terms)
        with pytest.raises(SettingsError, match=r"seen by 10\.0\.0\.7 \(it does not answer\)"):
            _check_folder(NODES, terms.token)


class TestJoining:
    @pytest.mark.parametrize(
        ("error", "auth", "said"),
        [
            (ConnectionError("no head. More of it."), "token", "--on: ray: no head; "),
            (ConnectionError("no head. More of it."), None, "--on: ray: no head; .*else"),
            (RuntimeError("Version mismatch: 2.40"), None, "Version mismatch: 2.40; install on ev"),
        ],
    )
    def test_that_fails_is_a_line(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception, auth: str | None, said: str
    ) -> None:
        def refuse(_: str) -> None:
            raise error

        monkeypatch.setattr(ray_session, "_join", refuse)
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
        if auth:
            monkeypatch.setenv("RAY_AUTH_MODE", auth)
        with pytest.raises(SettingsError, match=said), connected(OnRay("")):
            pass

    def test_an_address_may_be_a_word(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        assert ray_session._address(OnRay("")) == "local"
        assert ray_session._address(OnRay("auto")) == "auto"

    def test_in_a_thread_signals_are_nobodys(self) -> None:
        entered: list[bool] = []

        def enter() -> None:
            with ray_session._signals_kept():
                entered.append(True)

        one = threading.Thread(target=enter)
        one.start()
        one.join()
        assert entered == [True]


def test_a_token_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file or directory"), token_in(tmp_path / "no"):
        pass
