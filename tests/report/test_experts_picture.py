import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from decamo.errors import StorageError
from decamo.nn.expert_recorders import Firing
from decamo.report.run_gallery import draw_experts, write_experts
from decamo.settings.expert_names import expert_name

BRIGHT = (253, 231, 37)  # the top of viridis


def names(count: int) -> tuple[str, ...]:
    return tuple(expert_name(n) for n in range(count))


def firing(experts: int, levels: int = 4, hot: int = 0) -> Firing:
    """Only one expert moves anything: the upper left quarter, at every level."""
    strength = []
    for level in range(levels):
        side = 16 >> level
        one = torch.zeros(experts, side, side)
        one[hot, : side // 2, : side // 2] = 0.5
        strength.append(one)
    return Firing(tuple(strength), torch.full((levels, experts), 1 / experts), names(experts))


def drawn(image: npt.NDArray[np.uint8], fired: Firing, form: str = "png") -> npt.NDArray[np.uint8]:
    probability = np.zeros(image.shape[:2], np.float32)
    probability[-20:, -20:] = 1
    return np.asarray(
        Image.open(io.BytesIO(draw_experts("title", image, probability, fired, form))).convert(
            "RGB"
        )
    )


def near(picture: npt.NDArray[np.uint8], colour: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    wide = picture.astype(int)
    return np.asarray((np.abs(wide - colour) <= 3).all(-1))


def test_heat_is_where_the_expert_fires_and_nowhere_else() -> None:
    white = np.full((60, 60, 3), 255, np.uint8)
    hottest = tuple(round(0.7 * c + 0.3 * 255) for c in BRIGHT)
    left, right = (near(drawn(white, firing(2, levels=1, hot=hot)), hottest) for hot in range(2))
    assert left.sum() == pytest.approx(right.sum(), rel=0.1)
    assert left.sum() > 1000
    assert not (left & right).any()
    assert np.nonzero(left)[1].max() < np.nonzero(right)[1].min()


def test_the_prediction_is_outlined_on_every_panel() -> None:
    picture = drawn(np.zeros((60, 60, 3), np.uint8), firing(3, levels=2))
    assert near(picture, (255, 64, 0)).sum() > 6 * 50


@pytest.mark.parametrize("shape", [(30, 90), (90, 30)])
def test_more_experts_make_a_wider_sheet(shape: tuple[int, int]) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    seven, nine = (drawn(image, firing(count, levels=2), "jpeg") for count in (7, 9))
    assert seven.shape[0] == nine.shape[0]
    assert seven.shape[1] < nine.shape[1] < 2 * seven.shape[1]


def test_a_network_that_moves_nothing_is_drawn_dark() -> None:
    still = Firing((torch.zeros(2, 4, 4),), torch.tensor([[0.5, 0.5]]), names(2))
    assert not near(drawn(np.zeros((40, 40, 3), np.uint8), still), BRIGHT).any()


def test_a_sheet_is_a_file(tmp_path: Path) -> None:
    image, probability = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.float32)
    write_experts(tmp_path / "a.png", "a", image, probability, firing(1, levels=1))
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.format == "PNG"
    (tmp_path / "a file").touch()
    with pytest.raises(StorageError):
        write_experts(tmp_path / "a file" / "a.png", "a", image, probability, firing(1, levels=1))
