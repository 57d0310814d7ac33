import argparse
import collections
import json
import os
import pathlib
import pickle
import subprocess
import sys
import types
import typing
import zipfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from decamo.checkpoint.load_save import load_checkpoint
from decamo.errors import CheckpointForeign, CheckpointMissing
from decamo.storage.foreign_file import read_foreign
from tests.foreign_files import forms, network

NET = network()
FORMS = forms(NET)
PLACES = {
    "numpy_scalar": "model_state_dict",
    "wrapped_twice": "net",
    "lightning": "state_dict",
    "with_optimizer": "model",
    "with_average": "model",
}


def saved(content: Any, path: Path, **how: Any) -> Path:
    torch.save(content, path, **how)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_weights_are_found_in_every_form(form: str, tmp_path: Path) -> None:
    held = read_foreign(saved(FORMS[form], tmp_path / "epoch=85-best (1).pth"))

    assert held.place == PLACES.get(form, "")
    values = sorted(held.weights.values(), key=lambda t: (t.shape, float(t.sum())))
    expected = sorted(NET.state_dict().values(), key=lambda t: (t.shape, float(t.sum())))
    assert all(torch.equal(a, b) for a, b in zip(values, expected, strict=True))


def test_what_lies_beside_the_weights(tmp_path: Path) -> None:
    scalar = read_foreign(saved(FORMS["numpy_scalar"], tmp_path / "a.pth"))
    lightning = read_foreign(saved(FORMS["lightning"], tmp_path / "b.ckpt"))
    average = read_foreign(saved(FORMS["with_average"], tmp_path / "c.pt"))

    assert (scalar.epoch, scalar.epochs_done, scalar.best) == (85, 86, ("best_iou", 0.6221))
    assert scalar.settings["lr"] == 2.5e-4
    assert scalar.average is None
    assert (lightning.step, len(lightning.optimizers)) == (8600, 1)
    assert lightning.settings == {"learning_rate": 2.5e-4, "max_epochs": 100}
    assert (average.epochs_done, average.best) == (86, ("best_dice", 0.75))
    assert average.average is not None
    assert len(average.average) == len(NET.state_dict())


@pytest.mark.parametrize(
    ("beside", "done"),
    [
        ({"epoch": 86}, 87),
        ({"epoch": 86, "global_step": 8600}, 86),
        ({"epoch": 85, "global_step": 8600}, 86),
        ({"epoch": 86, "scheduler": {"T_max": 86, "last_epoch": 86}}, 86),
        ({"epoch": 99, "args": {"epochs": 100}}, 100),
        ({"epoch": 100, "args": {"epochs": 100}}, 100),
        ({"epoch": 100, "args": argparse.Namespace(epoch=100)}, 100),
        ({"epoch": 0, "global_step": 100}, 1),
    ],
)
def test_epochs_counted_from_0_and_from_1_are_told_apart(
    beside: dict[str, Any], done: int, tmp_path: Path
) -> None:
    path = saved({"model": NET.state_dict()} | beside, tmp_path / "a.pth")

    assert read_foreign(path).epochs_done == done


def test_it_is_described_in_a_line(tmp_path: Path) -> None:
    said = read_foreign(saved(FORMS["numpy_scalar"], tmp_path / "a.pth")).description()

    for part in (
        "under model_state_dict",
        "epoch 86 (written 85",
        "best_iou 0.6221",
        "--lr 0.00025",
    ):
        assert part in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "value",
    [np.float64(0.5), np.float32(0.5), np.int64(3), np.bool_(True), np.float16(0.5)],
)
def test_numbers_of_numpy_are_numbers(value: Any, tmp_path: Path) -> None:
    content = {"model": NET.state_dict(), "best_iou": 0.5, "args": {"x": value}}
    path = saved(content, tmp_path / "a.pth")

    assert read_foreign(path).settings == {"x": value.item()}


def test_safetensors_and_the_form_of_old_torch(tmp_path: Path) -> None:
    weights = NET.state_dict()
    safetensors.torch.save_file(weights, tmp_path / "a.safetensors")
    old = saved(weights, tmp_path / "b.pth", _use_new_zipfile_serialization=False)

    for path in (tmp_path / "a.safetensors", old):
        assert set(read_foreign(path).weights) == set(weights)


class Touch:
    """Leaves a file behind where it is unpickled."""

    marker = ""

    def __reduce__(self) -> Any:
        return Path.touch, (Path(self.marker),)


class Call:
    """Unpickles as what a call gives."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.answer = function, arguments

    def __reduce__(self) -> Any:
        return self.answer


class State:
    """Sets attributes of itself where it is unpickled."""

    def __init__(self) -> None:
        self.payload = Touch()


def hostile() -> dict[str, Any]:
    weights = NET.state_dict()
    touch = Touch()
    return {
        "alone": touch,
        "beside": {"model": weights, "epoch": 3, "extra": touch},
        "nested": {"model": weights, "args": {"a": {"b": [{"c": touch}]}}},
        "in_list": {"model": weights, "callbacks": [1, 2, touch]},
        "in_tuple": {"model": weights, "callbacks": (1, (2, touch))},
        "key": {"model": weights, touch: 1},
        "as_best": {"model": weights, "best_iou": touch},
        "as_epoch": {"model": weights, "epoch": touch},
        "among_weights": weights | {"x": touch},
        "object_array": {"model": weights, "args": np.array([touch, 1], dtype=object)},
        "object_scalar": {"model": weights, "args": {"x": np.array({"a": touch}, dtype=object)}},
        "array": {"model": weights, "scores": np.arange(3.0)},
        "attribute": {"model": weights, "args": State()},
        "namespace": {"model": weights, "args": argparse.Namespace(lr=0.1, hook=touch)},
        "whole_network": torch.nn.Linear(2, 2),
        "optimizer_object": {"model": weights, "optimizer": torch.optim.SGD(NET.parameters(), 1)},
        "defaultdict": {"model": weights, "args": collections.defaultdict(list, a=[touch])},
        "partial_call": {"model": weights, "x": Call(eval, "1 + 1")},
        "exec_call": {"model": weights, "x": Call(exec, "x = 1")},
        "getattr_call": {"model": weights, "x": Call(getattr, "a", "upper")},
        "import_call": {"model": weights, "x": Call(__import__, "json")},
        "system_call": {"model": weights, "x": Call(os.system, "true")},
        "popen_call": {"model": weights, "x": Call(subprocess.Popen, ["true"])},
        "torch_load_call": {"model": weights, "x": Call(torch.load, "other.pth")},
        "path_of_numpy": {"model": weights, "x": Call(np.load, "x.npy", None, True)},
        "fraction": {"model": weights, "best_iou": Fraction(1, 2)},
        "set": {"model": weights, "frozen": {1, touch}},
        **{f"settings_{name}": {"model": weights, "args": held} for name, held in odd_settings()},
    }


def odd_settings() -> Iterator[tuple[str, Any]]:
    """Objects of settings with something in them that is no setting."""
    touch = Touch()
    yield "in_attribute", argparse.Namespace(lr=0.1, callbacks=[{"on_end": touch}])
    yield "in_namespace_of_namespace", argparse.Namespace(a=argparse.Namespace(b=touch))
    yield "key", argparse.Namespace(**{"table": {touch: 1}})
    yield "simple", types.SimpleNamespace(hook=touch)
    yield "path_of_object", Call(pathlib.PosixPath, touch)
    yield "path_of_number", Call(pathlib.PosixPath, 3)
    yield "namespace_called", Call(argparse.Namespace, touch)
    yield "factory", collections.defaultdict(touch_later, a=1)
    yield "type_called", Call(dict, [("a", 1)])
    yield "subclass", Settings(lr=0.1)
    yield "function", argparse.Namespace(hook=touch_later)
    yield "in_itself", in_itself()
    yield "state_of_text", OddState()
    yield "method", Call(argparse.Namespace.__eq__, touch, touch)


def touch_later() -> None:
    """Never called."""
    raise AssertionError("called")


class Settings(argparse.Namespace):
    """A class of theirs, whose code is theirs."""


class OddState:
    """A namespace whose state is no dict."""

    def __reduce__(self) -> Any:
        return argparse.Namespace, (), "lr=0.1"


def in_itself() -> argparse.Namespace:
    held = argparse.Namespace(lr=0.1)
    held.me = held
    return held


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("name", hostile())
def test_nothing_in_a_file_is_executed(
    name: str, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "executed"
    monkeypatch.setattr(Touch, "marker", str(marker))
    path = saved(hostile()[name], tmp_path / "a.pth", pickle_protocol=protocol)

    with pytest.raises(CheckpointForeign) as caught:
        read_foreign(path)

    assert not marker.exists()
    assert len(str(caught.value).splitlines()) == 1
    assert "nothing in it was executed" in caught.value.remedy


@pytest.mark.parametrize("name", ["beside", "key", "whole_network"])
def test_nothing_in_a_file_of_old_torch_is_executed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "executed"
    monkeypatch.setattr(Touch, "marker", str(marker))
    path = saved(hostile()[name], tmp_path / "a.pth", _use_new_zipfile_serialization=False)

    with pytest.raises(CheckpointForeign):
        read_foreign(path)

    assert not marker.exists()


def test_what_is_refused_is_named(tmp_path: Path) -> None:
    content = {"model": NET.state_dict(), "args": Settings(lr=0.1)}

    with pytest.raises(CheckpointForeign, match=r"test_foreign_file\.Settings"):
        read_foreign(saved(content, tmp_path / "a.pth"))


MADE_UP: set[str] = set()  # modules of libraries that are not there


@pytest.fixture(autouse=True)
def _made_up_libraries_are_forgotten() -> Iterator[None]:
    yield
    forget_made_up()


def forget_made_up() -> None:
    for module in MADE_UP:
        sys.modules.pop(module, None)
    MADE_UP.clear()


def class_of(module: str, name: str, base: type = object) -> Any:
    """A class as another library has it: what counts is its name in the file."""
    if name in vars(sys.modules.get(module, types)):
        return getattr(sys.modules[module], name)
    made = type(name, (base,), {"__module__": module})
    for at in range(module.count(".") + 1):
        part = ".".join(module.split(".")[: at + 1])
        if part not in sys.modules:
            MADE_UP.add(part)
            sys.modules[part] = types.ModuleType(part)
    setattr(sys.modules[module], name, made)
    return made


def node(kind: str, value: Any) -> Any:
    """As omegaconf keeps a value: beside facts about its type, and with its parent."""
    made = class_of("omegaconf.nodes", f"{kind}Node")()
    about = class_of("omegaconf.base", "Metadata")()
    about.__dict__ = {"ref_type": typing.Any, "object_type": type(value), "flags": {}}
    made.__dict__ = {"_metadata": about, "_parent": None, "_flags_cache": None, "_val": value}
    return made


def config(content: dict[str, Any]) -> Any:
    made = class_of("omegaconf.dictconfig", "DictConfig")()
    about = class_of("omegaconf.base", "ContainerMetadata")()
    cache: Any = collections.defaultdict(dict)
    about.__dict__ = {"ref_type": typing.Any, "object_type": dict, "resolver_cache": cache}
    for one in content.values():
        one._parent = made
    made.__dict__ = {"_metadata": about, "_parent": None, "_content": content}
    return made


def their_settings() -> dict[str, Any]:
    given = {"lr": 0.1, "save": pathlib.PosixPath("runs/a"), "sizes": [1, 2]}
    easy = class_of("easydict", "EasyDict", dict)(given)
    easy.__dict__.update(given)  # it has each item as an attribute as well
    yacs = class_of("yacs.config", "CfgNode", dict)(given)
    yacs.__dict__.update({"__deprecated_keys__": set(), "__renamed_keys__": {}})
    class_of("addict.addict", "Dict", dict).__getnewargs__ = lambda held: tuple(held.items())
    return {
        "namespace": argparse.Namespace(**given),
        "simple": types.SimpleNamespace(**given),
        "default": collections.defaultdict(list, given),
        "easydict": easy,
        "yacs": yacs,
        "addict": class_of("addict.addict", "Dict", dict)(given),
        "omegaconf": config({"lr": node("Float", 0.1), "save": node("String", "runs/a")}),
    }


THEIR_SETTINGS = tuple(their_settings())
forget_made_up()


@pytest.mark.parametrize("form", ["zip", "old"])
@pytest.mark.parametrize("name", THEIR_SETTINGS)
def test_objects_of_settings_are_read_without_their_classes(
    name: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"model": NET.state_dict(), "args": their_settings()[name], "epoch": 3}
    path = saved(content, tmp_path / "a.pth", _use_new_zipfile_serialization=form == "zip")
    for module in ("easydict", "yacs", "yacs.config", "omegaconf.dictconfig", "omegaconf.nodes"):
        monkeypatch.delitem(sys.modules, module, raising=False)

    assert read_foreign(path).settings == {"lr": 0.1, "save": "runs/a"}
    assert not {"easydict", "yacs.config", "omegaconf.nodes"} & sys.modules.keys()


def test_a_size_that_the_file_does_not_have_is_found_before_memory_is_asked_for(
    tmp_path: Path,
) -> None:
    whole = saved({"model": {"a": torch.zeros(64), "b": torch.zeros(64)}}, tmp_path / "a.pth")
    forged = tmp_path / "b.pth"
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(forged, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            new.writestr(
                info.filename, content[:16] if info.filename.endswith("data/0") else content
            )

    with pytest.raises(CheckpointForeign, match="larger than the values"):
        read_foreign(forged)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"not a checkpoint", pickle.dumps({"a": 1}), json.dumps({"a": 1}).encode()],
)
def test_what_is_no_checkpoint_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    (tmp_path / "a.safetensors").write_bytes(content)

    for name in ("a.pth", "a.safetensors"):
        with pytest.raises(CheckpointForeign):
            read_foreign(tmp_path / name)
    with pytest.raises(CheckpointMissing):
        read_foreign(tmp_path / "nowhere.pth")


def test_without_weights_its_keys_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointForeign, match="keys epoch, score"):
        read_foreign(saved({"epoch": 3, "score": 0.5}, tmp_path / "a.pth"))


def test_whoever_loads_it_as_ours_is_told_what_it_is_and_what_to_do(tmp_path: Path) -> None:
    path = saved(FORMS["numpy_scalar"], tmp_path / "best.pth")

    with pytest.raises(CheckpointForeign) as caught:
        load_checkpoint(path)

    assert "another program wrote it" in caught.value.got
    assert "epoch 86" in caught.value.got
    assert f"decamo adopt {path} --network FILE.py:FUNCTION --out" in caught.value.remedy


def test_reading_starts_no_process_and_loads_no_code_of_the_file() -> None:
    assert "their_net" not in sys.modules
