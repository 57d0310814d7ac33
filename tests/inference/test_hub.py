"""Push and load by the hub's own client, against a hub on this machine; then without it.

The client reads its endpoint at import, so that all of it happens in one process of its own. Xet,
the hub's newer way for large files, is off: the stand-in speaks Git LFS.
"""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest

import decamo
from decamo.errors import CheckpointMissing, HubError, SettingsError
from decamo.inference.hub import HubPlace
from tests.inference.hub_stand_in import TOKEN, Hub, hub_at_work

CLIENT = textwrap.dedent(
    """
    import json, os, sys, time, urllib.request
    import numpy as np
    import decamo
    from decamo.cli import main
    from decamo.inference.pretrained_folder import LARGEST

    checkpoint, folder = sys.argv[1:]
    photo = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    found = {}

    def mapped(source, **how):
        return decamo.load(source, device="cpu", **how).predict(photo).probability

    def refused(call, *args, **kwargs):
        began = time.monotonic()
        try:
            call(*args, **kwargs)
        except decamo.DecamoError as error:
            return [type(error).__name__, str(error), time.monotonic() - began]
        return ["nothing", "", 0]

    model = decamo.load(checkpoint, device="cpu")
    own = model.predict(photo).probability
    first = model.push_to_hub("someone/moths", private=True, license="mit", commit_message="one")
    second = main(["push", checkpoint, "someone/moths", "--message", "two", "--json", folder])
    main(["push", checkpoint, "someone/open"])
    found["places"] = [first, json.load(open(folder))["place"], second]
    found["equal"] = [
        bool(np.array_equal(own, mapped(source)))
        for source in (first, "hf://someone/moths", "hf://someone/moths@v1")
    ]
    found["public"] = refused(model.push_to_hub, "someone/open", private=True)
    found["stranger"] = refused(model.push_to_hub, "someone/moths", token="hf_of_another")
    found["license"] = refused(model.push_to_hub, "someone/open", license="no-such-license")
    found["nobody"] = refused(mapped, "hf://someone/butterflies")
    found["revision"] = refused(mapped, "hf://someone/moths@v9")
    most, LARGEST["model.safetensors"] = LARGEST["model.safetensors"], 1000
    found["large"] = refused(mapped, "hf://someone/open")
    LARGEST["model.safetensors"] = most
    urllib.request.urlopen(os.environ["HF_ENDPOINT"] + "/stop").close()
    time.sleep(0.7)  # the server ends its loop within half a second
    found["kept"] = bool(np.array_equal(own, mapped("hf://someone/moths")))
    found["away"] = refused(mapped, "hf://someone/never")
    found["push away"] = refused(model.push_to_hub, "someone/moths")
    print(json.dumps(found))
    """
)


@pytest.fixture(scope="module")
def pushed(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str, Hub]:
    """What the client found, its standard error, and the hub afterwards."""
    home = tmp_path_factory.mktemp("hub")
    with hub_at_work() as hub:
        own = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(home),
            "HF_TOKEN": TOKEN,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", CLIENT, str(checkpoint), str(home / "push.json")],
            env=os.environ | own,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stderr, hub


def test_what_is_pushed_is_loaded_again_bit_by_bit(pushed: tuple[Any, str, Hub]) -> None:
    found, _, hub = pushed
    first, second, code = found["places"]
    commits = list(hub.models["someone/moths"].commits)

    assert [first, second] == [f"hf://someone/moths@{commit}" for commit in commits]
    assert (code, found["equal"]) == (0, [True, True, True])


def test_a_push_is_one_commit_of_three_files(pushed: tuple[Any, str, Hub]) -> None:
    model = pushed[2].models["someone/moths"]

    assert model.messages == ["one", "two"]
    assert model.private
    assert not pushed[2].models["someone/open"].private
    for files in model.commits.values():
        assert set(files) == {"model.safetensors", "config.json", "README.md"}
    first, second = (files["README.md"].decode() for files in model.commits.values())
    assert huggingface_hub.ModelCard(first).data.to_dict()["license"] == "mit"
    assert 'decamo.load("hf://someone/moths")' in second


@pytest.mark.parametrize(
    ("what", "kind", "word"),
    [
        ("public", "HubError", "is public, and private was asked for"),
        ("stranger", "HubError", "token"),
        ("license", "HubError", "license must be one of"),
        ("nobody", "CheckpointMissing", "hf://someone/butterflies"),
        ("revision", "CheckpointMissing", "hf://someone/moths@v9"),
        ("large", "CheckpointMissing", "more than 1000"),
        ("away", "CheckpointMissing", "go online once, or give a folder"),
        ("push away", "HubError", "try again online"),
    ],
)
def test_what_cannot_be_is_one_line(
    what: str, kind: str, word: str, pushed: tuple[Any, str, Hub]
) -> None:
    got, line, _seconds = pushed[0][what]

    assert got == kind
    assert word in line
    assert len(line.splitlines()) == 1
    assert TOKEN not in line


def test_without_the_hub_the_copy_here_is_taken_and_said(pushed: tuple[Any, str, Hub]) -> None:
    found, stderr, hub = pushed
    newest = list(hub.models["someone/moths"].commits)[-1]

    assert found["kept"]
    (line,) = [one for one in stderr.splitlines() if "out of reach" in one]
    assert newest[:12] in line


def test_loading_asks_for_two_files_and_nothing_else(pushed: tuple[Any, str, Hub]) -> None:
    asked = {one.rpartition("/")[2] for one in pushed[2].seen if "/resolve/" in one}

    assert asked == {"config.json", "model.safetensors"}


@pytest.mark.parametrize(
    "name",
    ["moths", "a/b/c", "../moths", "a/..", "a/b@", "a/b@../../x", "a/b@x/../y", "a/b@/x", "a b/c",
     "a/b\\n", "/a", "a/", ""],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="USER/NAME"):
        HubPlace.of(f"hf://{name}")


@pytest.mark.parametrize("name", ["a/b", "some-one/moths_2.1", "a/b@v1.0", "a/b@refs/pr/1"])
def test_a_name_is_taken_apart_and_written_again(name: str) -> None:
    assert str(HubPlace.of(name)) == str(HubPlace.of(f"hf://{name}")) == f"hf://{name}"


def test_without_a_token_no_request_is_made(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)

    with pytest.raises(HubError, match="no token"):
        decamo.load(checkpoint, device="cpu").push_to_hub("someone/moths")


def test_offline_by_choice_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    with pytest.raises(CheckpointMissing, match="cannot be had from the hub"):
        decamo.load("hf://someone/moths")


def test_maps_of_random_pixels_differ(checkpoint: Path) -> None:
    """Equal maps above say something: this network does not map everything alike."""
    model = decamo.load(checkpoint, device="cpu")
    rng = np.random.default_rng(0)
    one, other = (
        model.predict(rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)) for _ in range(2)
    )
    assert isinstance(one, decamo.Prediction)
    assert isinstance(other, decamo.Prediction)
    assert not np.array_equal(one.probability, other.probability)
