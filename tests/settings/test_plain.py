import json
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given

from decamo.errors import SettingsError
from decamo.settings import DataSettings, TrainSettings
from decamo.settings.plain import SECTIONS, from_plain, kinds, merged, section_of, to_plain
from tests.settings.strategies import train_settings


@given(train_settings())
def test_plain_values_give_equal_settings_back(settings: TrainSettings) -> None:
    assert from_plain(to_plain(settings)) == settings


@given(train_settings())
def test_plain_values_survive_json(settings: TrainSettings) -> None:
    assert from_plain(json.loads(json.dumps(to_plain(settings)))) == settings


@given(train_settings())
def test_plain_values_survive_toml(settings: TrainSettings) -> None:
    plain = {
        s: {k: v for k, v in d.items() if v is not None} for s, d in to_plain(settings).items()
    }

    assert from_plain(tomllib.loads(tomli_w.dumps(plain))) == settings


def test_strategy_draws_every_option() -> None:
    # So that an option added later cannot slip past the round trips above.
    source = (Path(__file__).parent / "strategies.py").read_text(encoding="utf-8")
    names = [f.name for cls in SECTIONS.values() for f in fields(cls)]

    assert [n for n in names if not re.search(rf"\b{n}=", source)] == []


def test_sections_are_those_of_the_settings() -> None:
    assert list(SECTIONS) == [f.name for f in fields(TrainSettings)]


def test_nothing_gives_the_defaults() -> None:
    assert from_plain({}) == TrainSettings()


def test_every_option_knows_its_section() -> None:
    assert section_of("min_lr") == "schedule"
    assert section_of("noncam") == "data"
    assert section_of("seed") == "run"


@pytest.mark.parametrize(
    ("section", "name", "value", "converted"),
    [
        ("schedule", "lr", 1, 1.0),  # TOML's 1 where a person means 1.0
        ("schedule", "epochs", 200.0, 200),
        ("data", "dataset_path", "one", (Path("one"),)),
        ("data", "dataset_path", ["a", "b"], (Path("a"), Path("b"))),
        ("model", "input_mean", [0, 0.5, 1], (0.0, 0.5, 1.0)),
        ("model", "backbone_weights", None, None),
        ("schedule", "stage2_batch_size", None, None),
    ],
)
def test_values_become_the_options_type(
    section: str, name: str, value: Any, converted: object
) -> None:
    got = getattr(getattr(from_plain({section: {name: value}}), section), name)

    assert got == converted
    assert type(got) is type(converted)


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("schedule", "epochs", "120"),
        ("schedule", "epochs", 1.5),
        ("schedule", "epochs", True),
        ("schedule", "epochs", None),
        ("schedule", "epochs", float("nan")),  # TOML can say nan and inf
        ("schedule", "epochs", float("inf")),
        ("schedule", "lr", "fast"),
        ("schedule", "lr", False),
        ("schedule", "lr", 10**400),
        ("schedule", "lr", float("nan")),
        ("schedule", "skip_stage1", 1),
        ("schedule", "skip_stage1", "yes"),
        ("schedule", "scheduler", 3),
        ("schedule", "scheduler", ["cosine"]),
        ("model", "input_mean", [0.5, 0.5]),
        ("model", "input_mean", 0.5),
        ("data", "dataset_path", [1]),
        ("run", "checkpoint_dir", {}),
    ],
)
def test_values_of_another_type_are_refused_by_flag(section: str, name: str, value: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        from_plain({section: {name: value}})

    assert caught.value.what == "--" + name.replace("_", "-")
    assert len(str(caught.value).splitlines()) == 1


def test_unknown_section_suggests_the_nearest() -> None:
    with pytest.raises(
        SettingsError, match=r"\[scheduel\]: no such section; did you mean schedule"
    ):
        from_plain({"scheduel": {}})


def test_unknown_key_suggests_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"schedule\.warm_up_epochs: .* warmup_epochs"):
        from_plain({"schedule": {"warm_up_epochs": 3}})


def test_unknown_key_without_a_near_one_lists_all() -> None:
    with pytest.raises(SettingsError) as caught:
        from_plain({"data": {"qqq": 1}})

    assert all(f.name in caught.value.remedy for f in fields(DataSettings))


def test_later_layers_win_key_by_key() -> None:
    lower: dict[str, dict[str, Any]] = {"schedule": {"epochs": 1, "lr": 0.1}, "run": {"seed": 5}}
    upper = {"schedule": {"epochs": 2}}

    assert merged(lower, upper) == {"schedule": {"epochs": 2, "lr": 0.1}, "run": {"seed": 5}}
    assert lower["schedule"]["epochs"] == 1, "the layers themselves stay as they were"


def test_a_key_outside_of_its_section_is_sent_home() -> None:
    with pytest.raises(SettingsError, match=r"epochs: .* put it under \[schedule\]"):
        merged({"epochs": 5})  # type: ignore[dict-item]
    with pytest.raises(SettingsError, match="one of data, model, schedule"):
        merged({"qqq": 5})  # type: ignore[dict-item]


def test_kinds_see_through_optional_and_tuple() -> None:
    known = kinds(SECTIONS["model"])

    assert (known["input_mean"].many, known["input_mean"].count) == (True, 3)
    assert known["input_mean"].optional
    assert known["input_mean"].base is float
    assert kinds(SECTIONS["data"])["dataset_path"].count == 0
