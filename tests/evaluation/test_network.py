"""The same images read ahead in any number give bit-equal maps, those of the written PNGs."""

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from decamo.data.pairs import Pair
from decamo.errors import DataError
from decamo.evaluation import Case, ImageResult, Measurer, NonCam, Rules, sets_of_pairs
from decamo.evaluation.network import network_jobs
from decamo.inference import write_probability
from decamo.inference.predictor import Predictor
from decamo.nn import build_segmenter
from decamo.settings import ModelSettings


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    chosen = ModelSettings("test_efficientnet", num_experts=2, pretrained=False)
    return Predictor(build_segmenter(chosen, sizes=[64], seed=0), 64)


@pytest.fixture
def cases(tmp_path: Path) -> Sequence[Case]:
    """Eight images of different sizes; the last mask is empty."""
    rng = np.random.default_rng(0)
    pairs = []
    for n in range(8):
        shape = 40 + 3 * n, 60 - 2 * n
        paths = tmp_path / f"i{n}.png", tmp_path / f"m{n}.png"
        Image.fromarray(rng.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(paths[0])
        mask = np.zeros(shape, np.uint8)
        mask[5 : 5 + 4 * (7 - n), 4:30] = 255
        Image.fromarray(mask).save(paths[1])
        pairs.append(Pair(*paths, f"p{n}", "SET", "test"))
    return sets_of_pairs(pairs)[0].cases


def flat(result: object) -> npt.NDArray[np.float64]:
    assert isinstance(result, ImageResult)
    return np.concatenate([np.atleast_1d(v) for v in vars(result.measures).values()])


def test_scores_are_bit_equal_at_batch_1_2_4_and_8(
    predictor: Predictor, cases: Sequence[Case]
) -> None:
    scores, rules = [], Rules(NonCam.NEGATIVES)
    for batch in (1, 2, 4, 8):
        jobs = network_jobs(predictor, cases, batch=batch, threads=2, rules=rules)
        with Measurer(1, rules) as measurer:
            scores.append(np.stack([flat(r) for r in measurer.results(jobs)]))
    for other in scores[1:]:
        assert scores[0].tobytes() == other.tobytes()


def test_the_map_is_that_of_the_written_file(
    predictor: Predictor, cases: Sequence[Case], tmp_path: Path
) -> None:
    assert cases[0].pair is not None
    image = np.array(Image.open(cases[0].pair.image))
    write_probability(tmp_path / "map.png", predictor.predict([image])[0])
    (job,) = network_jobs(predictor, cases[:1], batch=1, threads=1)
    assert isinstance(job.map, np.ndarray)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "map.png")), job.map)


@pytest.mark.parametrize("batch", [0, 1, 3, 20])
def test_jobs_come_in_order_and_the_network_is_spared_what_is_dropped(
    predictor: Predictor, cases: Sequence[Case], batch: int
) -> None:
    jobs = list(network_jobs(predictor, cases, batch=batch, threads=1, with_images=True))
    assert [j.case for j in jobs] == list(cases)
    assert [j.map is None for j in jobs] == [False] * 7 + [True]
    assert all(j.image is not None and j.truth is not None for j in jobs)


class _Watched:
    """A predictor that notes which thread calls each of its parts."""

    def __init__(self, inner: Predictor) -> None:
        self.inner = inner
        self.callers: dict[str, set[int]] = {}
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        part = getattr(self.inner, name)

        def noted(*args: Any) -> Any:
            self.callers.setdefault(name, set()).add(threading.get_ident())
            self.calls[name] += 1
            return part(*args)

        return noted if callable(part) else part


def test_the_network_has_its_thread_to_itself(predictor: Predictor, cases: Sequence[Case]) -> None:
    watched = _Watched(predictor)
    jobs = list(network_jobs(watched, cases, batch=3, threads=2))
    own = threading.get_ident()
    assert watched.callers["look"] == {own}
    assert all(own not in watched.callers[part] for part in ("prepare", "finish", "enter_thread"))
    made = sum(job.map is not None for job in jobs)
    assert made == 7
    assert watched.calls == {"prepare": 7, "look": 7, "finish": 7, "enter_thread": 14}


def test_a_case_that_cannot_be_read_is_left_to_scoring_to_name(
    predictor: Predictor, cases: Sequence[Case]
) -> None:
    cases[2].mask.write_bytes(b"")
    jobs = list(network_jobs(predictor, cases, batch=4, threads=1))
    assert jobs[2].truth is None


def test_a_case_without_image_is_told(predictor: Predictor) -> None:
    with pytest.raises(DataError, match="--dataset-path"):
        list(network_jobs(predictor, [Case("a", Path("a.png"))], batch=1, threads=1))
