from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from decamo.evaluation import (
    CaseSet,
    ImageResult,
    Job,
    Protocol,
    Rules,
    Truth,
    measure_job,
    sets_of_masks,
)
from decamo.evaluation.cases import Case

Grey = npt.NDArray[np.uint8]
WriteMaps = Callable[[Path, dict[str, Grey]], Path]


def write_greys(folder: Path, greys: dict[str, Grey]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for stem, grey in greys.items():
        Image.fromarray(grey).save(folder / f"{stem}.png")
    return folder


@pytest.fixture
def write_maps() -> WriteMaps:
    return write_greys


def square(top: int, left: int, side: int, shape: tuple[int, int] = (24, 30)) -> Grey:
    grey = np.zeros(shape, np.uint8)
    grey[top : top + side, left : left + side] = 255
    return grey


@pytest.fixture
def masks() -> dict[str, Grey]:
    """Six squares of different size; names of COD10K's making."""
    return {
        f"COD10K-CAM-{1 + n % 2}-{('Aquatic', 'Flying')[n % 2]}-{n}-Crab-{n}": square(
            2, 3, 3 + 3 * n
        )
        for n in range(6)
    }


@pytest.fixture
def results(masks: dict[str, Grey]) -> list[ImageResult]:
    """Results of maps that are the masks moved by one pixel, with noise."""
    return scored(masks, noise=40, seed=0)


def scored(masks: dict[str, Grey], noise: int, seed: int) -> list[ImageResult]:
    rng = np.random.default_rng(seed)
    made = []
    for stem, mask in masks.items():
        moved = np.roll(mask, 1, axis=1).astype(int)
        grey = np.clip(moved + rng.integers(-noise, noise + 1, mask.shape), 0, 255)
        job = Job(Case(stem, Path(stem)), grey.astype(np.uint8), Truth(mask > 0))
        result = measure_job(job, Rules(atlas=True))
        assert isinstance(result, ImageResult)
        made.append(result)
    return made


def protocol_of(results: Sequence[ImageResult]) -> Protocol:
    return Protocol("a" * 12, "b" * 12, len(results), 0, 0, 0, 0, "test", "drop")


@pytest.fixture
def cases(tmp_path: Path, masks: dict[str, Grey]) -> CaseSet:
    return sets_of_masks([("SET", write_greys(tmp_path / "GT", masks))])[0]


@pytest.fixture
def jobs(tmp_path: Path, cases: CaseSet) -> list[Job]:
    rng = np.random.default_rng(0)
    noise = {c.stem: rng.integers(0, 256, (24, 30), dtype=np.uint8) for c in cases.cases}
    folder = write_greys(tmp_path / "maps", noise)
    return [Job(c, folder / f"{c.stem}.png") for c in cases.cases]
