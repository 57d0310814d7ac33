"""What calls of Python say of odd files, and how their answers show themselves."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import decamo
from decamo.api import image_work, sharing
from decamo.api.exporting import _spread
from decamo.api.run_place import _is_generated
from decamo.api.sharing import _read
from decamo.errors import DataError, SettingsError, StorageError
from decamo.inference.items import Item
from decamo.races import race as racing
from decamo.races.race import Race, one_by_one
from decamo.storage.foreign_pickle import _counts, _device, _size
from decamo.storage.pickled import SuspiciousError

LOG = "".join(
    f"Epoch {n}: Loss: {0.5 - 0.001 * n:.4f} | IoU: {0.62 + 0.0001 * (n % 3):.4f} | LR: 0.000200\n"
    for n in range(1, 60)
)


def test_a_run_says_what_it_is_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(LOG)
    run = decamo.Run(tmp_path / "log.txt")
    assert repr(run) == f"Run({str(tmp_path / 'log.txt')!r})"
    found = run.diagnose(target=0.72)
    text = str(found)
    assert found.causes
    assert len({*found.causes}) == len(found.causes)
    assert not found.next_command or found.next_command.split()[1] in text
    assert found.forecast is not None
    assert found.forecast.target == 0.72
    assert found.forecast.end > 59


def test_a_table_of_backbones_shows_each_in_a_row() -> None:
    found = decamo.models("test_efficientnet")
    shown = found._repr_html_()
    assert shown.count("<tr>") == len(found.rows) > 0
    assert all(f"<td>{row.facts.name}</td>" in shown for row in found.rows)


@pytest.mark.parametrize(("count", "places"), [(4, [0, 3, 6, 9]), (2, [0, 9]), (20, [*range(10)])])
def test_images_to_compare_are_spread_evenly(count: int, places: list[int]) -> None:
    assert _spread(range(10), count) == places


class TestScoresOfAFile:
    def rows(self, *methods: str) -> dict[str, Any]:
        protocol = {"weights": "ema weights of epoch 7"}
        rows = [{"method": name, "protocol": protocol} for name in methods]
        return {"datasets": rows, "methods": {name: f"{name}=/runs/{name}.pth" for name in methods}}

    def scores(self, plain: object, folder: Path) -> Any:
        (folder / "scores.json").write_text(json.dumps(plain))
        trained: Any = SimpleNamespace(weights="ema", epoch=7)
        return sharing.card_scores(folder / "scores.json", Path("/runs/a.pth"), trained)

    def test_of_several_networks_are_those_of_its_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sharing, "_score", lambda row, _: row["method"])
        assert self.scores(self.rows("a", "b"), tmp_path) == ("a",)
        with pytest.raises(
            SettingsError, match=r"has no scores of a\.pth \(ema weights of epoch 7"
        ):
            self.scores(self.rows("b", "c"), tmp_path)

    @pytest.mark.parametrize("text", ["{", "\ud800", "[" * 100_000])
    def test_that_is_no_json_is_told(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "a.json").write_bytes(text.encode("utf-8", "surrogatepass"))
        with pytest.raises(DataError, match=r"a\.json: cannot be read as JSON"):
            _read(tmp_path / "a.json")

    def test_that_is_too_large_is_not_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a.json").write_text("{}")
        monkeypatch.setattr(sharing, "_LARGEST", 1)
        with pytest.raises(DataError, match="is larger than 1 GiB"):
            _read(tmp_path / "a.json")

    def test_of_another_program_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="not what decamo evaluate --json writes"):
            self.scores({"datasets": [{}]}, tmp_path)


@pytest.mark.parametrize(
    ("text", "is_generated"),
    [(b"a = 1\n", True), (b"a = 1 # mine\n", False), (b"a = ", False), (b"\xff\xfe", False)],
)
def test_a_config_of_ones_own_is_known(tmp_path: Path, text: bytes, is_generated: bool) -> None:
    (tmp_path / "a.toml").write_bytes(text)
    assert _is_generated(tmp_path / "a.toml") is is_generated
    assert not _is_generated(tmp_path / "none.toml")


class TestARace:
    def branches(self, *names: str) -> Any:
        return [SimpleNamespace(name=name) for name in names]

    @pytest.mark.parametrize(
        ("stops", "reasons", "trained"),
        [
            (["", "", ""], ["", "", ""], ["a", "b", "c"]),
            (["", "", ""], ["", "the budget is spent", ""], ["a", "b"]),
            (["", "asked to stop"], [""], ["a"]),
        ],
    )
    def test_trains_one_by_one_until_it_is_to_stop(
        self,
        monkeypatch: pytest.MonkeyPatch,
        stops: list[str],
        reasons: list[str],
        trained: list[str],
    ) -> None:
        heard, words, why = list[str](), iter(stops), iter(reasons)
        course: Any = SimpleNamespace(stop=lambda: next(words))

        def advance(_: object, branch: Any, rung: int, on_event: Any) -> tuple[str, str]:
            assert rung == 4
            on_event("an event")
            return branch.name, next(why)

        monkeypatch.setattr(racing, "advance", advance)
        found = one_by_one(
            course, self.branches("a", "b", "c"), 4, lambda name, _: heard.append(name)
        )
        assert [result for result, _ in found] == trained == heard  # type: ignore[comparison-overlap]

    def test_says_which_are_out_once(self) -> None:
        said: list[str] = []
        race = object.__new__(Race)
        race.course = SimpleNamespace(start=SimpleNamespace(done=86))  # type: ignore[assignment]
        race.say, race.keep_all = said.append, True
        told: set[str] = set()
        for dropped in ({"b": 2}, {"b": 2, "c": 6}):
            race._tidy(SimpleNamespace(dropped=dropped), told)  # type: ignore[arg-type]
        assert said == [
            "b: out of the race, clearly behind after epoch 88",
            "c: out of the race, clearly behind after epoch 92",
        ]

    def test_says_which_were_lost_and_the_first_reason(self) -> None:
        said: list[str] = []
        race = object.__new__(Race)
        race.branches = self.branches("a", "b", "c")
        lost = [SimpleNamespace(name="a", lost="its memory ran out"), SimpleNamespace(lost=None)]
        race.trials = lambda *_: iter([(lost[0], ""), (lost[1], "one"), (lost[1], "two")])  # type: ignore[assignment]
        race.say, race.course, race.on_event = said.append, None, lambda *_: None  # type: ignore[assignment]
        assert race._rung(SimpleNamespace(todo=["a"], rung=1)) == "one"  # type: ignore[arg-type]
        assert said == ["a: out of the race: its memory ran out"]


def test_words_of_a_foreign_pickle_are_checked() -> None:
    assert _size([2, 3]) == (2, 3)
    assert _device("cuda", 0) == "cuda"
    assert (_counts(), _counts({"a": 1})) == ({}, {"a": 1})
    for wrong in (lambda: _size(3), lambda: _device(3), lambda: _device("cuda", "0")):
        with pytest.raises(SuspiciousError, match=r"a size has no lengths|a device has no name"):
            wrong()


def test_a_picture_that_cannot_be_put_in_its_place_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    work = object.__new__(image_work.ImageWork)
    object.__setattr__(work, "staging", tmp_path)
    item = Item(tmp_path / "a.jpg", *(tmp_path / f"{n}.png" for n in "mos"))
    monkeypatch.setattr(image_work, "replace", fail)

    def place() -> None:
        with work._placed(item) as staged:
            staged.map.write_bytes(b"x")

    with pytest.raises(StorageError, match=r"m\.png: .*No space left on device"):
        place()
    assert not (tmp_path / "m.png").exists()
