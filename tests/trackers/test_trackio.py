"""What is asked of Trackio, of one that only remembers it; ``test_services`` has the real one."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from decamo.trackers.tracking import TrackedRun
from decamo.trackers.trackio import open_trackio


class Store:
    """Its database: run -> the steps that it has."""

    def __init__(self) -> None:
        self.opened: list[dict[str, Any]] = []
        self.steps: dict[str, list[tuple[int, dict[str, float]]]] = {}

    def init(self, *, name: str, **how: Any) -> "Run":
        self.opened.append(how)
        return Run(self.steps.setdefault(name, []))

    def get_max_step_for_run(self, project: str, name: str) -> int | None:
        assert project == self.opened[-1]["project"]
        return max((step for step, _ in self.steps[name]), default=None)


class Run:
    def __init__(self, steps: list[tuple[int, dict[str, float]]]) -> None:
        self.steps, self.is_over = steps, False

    def log(self, values: dict[str, float], *, step: int) -> None:
        assert not self.is_over
        self.steps.append((step, values))

    def finish(self) -> None:
        self.is_over = True


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    trackio, storage = ModuleType("trackio"), ModuleType("trackio.sqlite_storage")
    trackio.init, storage.SQLiteStorage = store.init, store  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "trackio", trackio)
    monkeypatch.setitem(sys.modules, "trackio.sqlite_storage", storage)
    for name in ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    return store


def test_a_run_is_found_again_by_its_name(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_PROJECT", "moths")
    first = open_trackio(TrackedRun(tmp_path, {"run": {"seed": 3}}))
    assert first.id.startswith(f"{tmp_path.name}-")
    assert first.position() == 0
    first.log([(0, {"loss": 2.0}), (1, {"loss": 1.0})])
    first.close()
    again = open_trackio(TrackedRun(tmp_path, {}, first.id))
    assert (again.id, again.position()) == (first.id, 2)
    assert store.steps == {first.id: [(0, {"loss": 2.0}), (1, {"loss": 1.0})]}
    assert store.opened[0]["project"] == "moths"
    assert store.opened[0]["config"] == {"run.seed": 3}
    assert [one["resume"] for one in store.opened] == ["allow", "allow"]


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("name", ["TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"])
def test_of_a_server_nobody_knows_what_it_has(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "someone/space")
    assert open_trackio(TrackedRun(tmp_path, {})).position() is None
