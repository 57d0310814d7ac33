"""What workers of a cluster run, run here: the crew is this process, and all else is as it is.

Workers are killed when they are done, so that nothing there counts what they have run.
"""

import pickle
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pytest

import decamo
from decamo.api.prediction import ImageSource
from decamo.api.remote_images import RemoteImages
from decamo.api.remote_network import _loaded, remote_network
from decamo.cluster.worker_crew import BlockWork, Needs, Workers, workers_of
from decamo.data.rules import ReadingRule
from decamo.errors import SettingsError, StorageError, UnreadableImage
from decamo.inference.loaded import Loaded
from decamo.inference.model_card import Card
from decamo.inference.pretrained_folder import save_folder
from decamo.nn import build_network
from decamo.nn.expert_recorders import Firing
from decamo.settings import ModelSettings
from tests.api.on_ray import contents, lines_of, photos_in, predicted
from tests.export.conftest import tiny as tiny

_Array = npt.NDArray[Any]
Item = TypeVar("Item")
Found = TypeVar("Found")


def sent(what: Found) -> Found:
    """As it comes to another process."""
    found: Found = pickle.loads(pickle.dumps(what))
    return found


@dataclass
class Crew:
    """Workers that are this process; ``unseen`` is a file that their machine does not have."""

    count: int = 2
    device: str = "cpu"
    unseen: Path | None = None
    names: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def results(
        self, work: BlockWork[Item, Found], items: Iterable[Item], *,
        total: int, block: int, ordered: bool, heed: Callable[[], None],
    ) -> Generator[Found]:  # fmt: skip
        there = sent(work)
        done = there.open()
        source = iter(items)
        while some := list(islice(source, block)):
            heed()
            self.names += map(there.name, some)
            with self._there():
                found: Sequence[Found] = sent(done(sent(some), self.said.append))
            assert len(found) == len(some)
            total -= len(found)
            yield from found
        assert total == 0

    @contextmanager
    def _there(self) -> Iterator[None]:
        if self.unseen is None:
            yield
            return
        content = self.unseen.read_bytes()
        self.unseen.unlink()
        yield
        self.unseen.write_bytes(content)


@pytest.fixture
def crew(monkeypatch: pytest.MonkeyPatch) -> Crew:
    """Who works where Ray's workers would."""
    found = Crew()

    @contextmanager
    def workers_on(_wanted: Workers, needs: Needs, _say: Callable[[str], None]) -> Iterator[Crew]:
        assert needs.reads
        assert all(path.is_file() for path in needs.reads)
        yield found

    stand_in = SimpleNamespace(workers_on=workers_on)
    monkeypatch.setitem(sys.modules, "decamo.cluster.ray_workers", stand_in)
    return found


@pytest.fixture(autouse=True)
def _nothing_is_held() -> Iterator[None]:
    """Of the networks, which a worker holds until it ends."""
    yield
    _loaded.cache_clear()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return photos_in(tmp_path / "photos", 5)


@pytest.fixture
def how(tiny: decamo.Model) -> dict[str, Any]:
    return {"device": "cpu", "network": tiny.score_options()["network"]}


def test_predictions_in_python_are_those_made_here(
    crew: Crew, tiny: decamo.Model, photos: Path, how: dict[str, Any]
) -> None:
    pixels = np.full((40, 50, 3), 90, np.uint8)
    some: list[ImageSource] = [photos / "0003.png", pixels, photos / "0000.png"]
    there = decamo.predict(tiny.path, some, on="ray", **how)
    assert not isinstance(there, decamo.Prediction)
    for one, other in zip(there, tiny.predict(some), strict=True):
        assert one.source == other.source
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.probability, other.probability)
    assert crew.names == [str(some[0]), "an image without a file", str(some[2])]


def test_an_image_that_a_worker_cannot_read_is_read_here_before_it_is_believed(
    crew: Crew, tiny: decamo.Model, photos: Path, how: dict[str, Any]
) -> None:
    crew.unseen = photos / "0001.png"
    with pytest.raises(SettingsError, match=r"a worker cannot read what this .*0001\.png"):
        decamo.predict(tiny.path, photos / "0001.png", on="ray", **how)
    crew.unseen = None
    (photos / "0001.png").write_bytes(b"no image")
    with pytest.raises(UnreadableImage) as here:
        tiny.predict(photos / "0001.png")
    there = decamo.predict(tiny.path, photos, on="ray", **how)
    assert not isinstance(there, decamo.Prediction)
    assert next(there).source == photos / "0000.png"
    with pytest.raises(UnreadableImage) as told:
        next(there)
    assert str(told.value) == str(here.value)


def test_pictures_are_those_written_here(
    crew: Crew, tiny: decamo.Model, photos: Path, tmp_path: Path
) -> None:
    (photos / "0002.png").write_bytes(b"no image")
    here, there, on = tmp_path / "here", tmp_path / "there", workers_of("ray")
    plain = predicted(tiny, photos, here, jsonl=tmp_path / "here.jsonl", overlay=True)
    other = predicted(
        tiny, photos, there, jsonl=tmp_path / "there.jsonl", overlay=True, workers=on
    )  # fmt: skip
    assert (other.lines, other.bad) == (plain.lines, plain.bad) == (4, 1)
    assert contents(there) == contents(here)
    assert lines_of(tmp_path / "there.jsonl") == lines_of(tmp_path / "here.jsonl")
    assert crew.names == [str(path) for path in sorted(photos.iterdir())]


def unpainted(path: Path, title: str, image: _Array, probability: _Array, firing: Firing) -> None:
    """A sheet but for the painting, which takes half a second."""
    told = [image, probability, *firing.strength, firing.gates]
    words = " ".join([title, *firing.names]).encode()
    path.write_bytes(b"".join([words, *(np.asarray(one).tobytes() for one in told)]))


def test_sheets_of_experts_show_the_same(
    crew: Crew, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decamo.report.run_gallery.write_experts", unpainted)
    settings = ModelSettings(backbone="test_efficientnet", num_experts=3, pretrained=False)
    network = build_network(settings, sizes=[32], seed=0).eval()
    loaded = Loaded(32, "average", 3, {"scenes": ReadingRule()}, best_iou=0.5, model=network)
    save_folder(loaded, tmp_path / "net", Card("ours"), source=tmp_path / "none")
    model = decamo.load(tmp_path / "net", device="cpu")
    for path in sorted(photos.iterdir())[1:]:
        path.unlink()
    for name, on in (("here", None), ("there", workers_of("ray"))):
        predicted(
            model, photos, tmp_path / name, jsonl=tmp_path / f"{name}.jsonl", experts=True,
            workers=on,
        )  # fmt: skip
    assert len(crew.names) == 1
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert len(contents(tmp_path / "there")) == 2
    lines = lines_of(tmp_path / "there.jsonl")
    assert lines == lines_of(tmp_path / "here.jsonl")
    assert lines[1]["experts"]


def test_a_worker_that_cannot_begin_says_why(tiny: decamo.Model, tmp_path: Path) -> None:
    network = remote_network(tiny, "cpu", "fp32")
    work = RemoteImages(network, ReadingRule(), {}, 1, True, False, tmp_path, 9.0)
    with pytest.raises(SettingsError, match=r"--experts: .* has none"):
        work.open()
    with pytest.raises(StorageError, match="gone"):  # whoever ends the worker took it away
        replace(work, experts=False, staging=tmp_path / "gone").open()


def test_scores_are_those_made_here(
    crew: Crew, tiny: decamo.Model, scenes: Path, how: dict[str, Any], tmp_path: Path
) -> None:
    images = scenes / "Test" / "Image"
    predicted(tiny, images, tmp_path / "maps")
    methods = [f"net={tiny.path}", f"maps={tmp_path / 'maps'}"]
    how |= {"by": ["size", "contrast"], "resamples": 20, "precision": "auto"}
    plain = decamo.evaluate(methods, scenes, workers=1, resume=tmp_path / "plain", **how)
    book = tmp_path / "there"
    there = decamo.evaluate(methods, scenes, on="ray", workers=2, resume=book, **how)
    assert there.to_plain() == plain.to_plain()
    assert str(there) == str(plain)
    network, *masks = crew.names
    assert network == str(tiny.path)  # asked for its precision
    assert len(masks) == 2 * len(list(images.iterdir()))
    assert {Path(mask).parent.name for mask in masks} == {"GT_Object"}
    again = decamo.evaluate(methods, scenes, on="ray", workers=2, resume=book, **how)
    assert again.to_plain() == plain.to_plain()
    assert crew.names[len(masks) + 1 :] == [network]  # all else was found in the book
