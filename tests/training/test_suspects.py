from pathlib import Path

import numpy as np
import torch
from PIL import Image

from decamo.data.dataset import Batch
from decamo.storage import RunFolder
from decamo.training.stability import keep_suspects, suspects_among
from tests.training.conftest import Make, ours


def batch(first: int, count: int) -> Batch:
    generator = torch.Generator().manual_seed(first)
    image = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    keys = tuple(f"cod/{n}" for n in range(first, first + count))
    return Batch(image, (image[:, :1] > 128).to(torch.uint8), keys)


def test_the_image_whose_loss_is_not_finite_is_named(make: Make) -> None:
    stepper = make("run").stepper
    held = [batch(0, 2), batch(2, 3)]
    bad = held[1].image[1].float()

    def poison(module: object, args: tuple[torch.Tensor, ...], kwargs: object = None) -> None:
        (x,) = args
        x[torch.stack([torch.equal(i, _norm(bad, stepper)) * torch.ones(()) for i in x]) > 0] = (
            float("nan")
        )

    ours(stepper.model).backbone.register_forward_pre_hook(poison)
    assert suspects_among(stepper, held) == ("cod/3",)
    assert all(p.grad is None for p in stepper.model.parameters())


def _norm(image: torch.Tensor, stepper: object) -> torch.Tensor:
    model = stepper.model  # type: ignore[attr-defined]
    normalized: torch.Tensor = model.normalize(image.to(torch.uint8)[None])[0]
    return normalized


def test_where_each_alone_is_finite_all_are_suspects(make: Make) -> None:
    assert suspects_among(make("run").stepper, [batch(0, 2), batch(2, 1)]) == (
        *("cod/0", "cod/1", "cod/2"),
    )


def test_they_are_kept_as_the_network_saw_them(tmp_path: Path) -> None:
    held = [batch(0, 2), batch(2, 1)]
    keep_suspects(RunFolder(tmp_path), 41, held, ["cod/1"])
    place = tmp_path / "suspects" / "step-000041"
    assert sorted(p.name for p in place.iterdir()) == ["cod-1-mask.png", "cod-1.png"]
    seen = np.asarray(Image.open(place / "cod-1.png"))
    assert np.array_equal(seen, held[0].image[1].permute(1, 2, 0).numpy())
    assert set(np.unique(np.asarray(Image.open(place / "cod-1-mask.png")))) == {0, 255}
