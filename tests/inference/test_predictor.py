from typing import cast

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F

from decamo.inference.predictor import Predictor, evaluating
from decamo.inference.views import Views
from decamo.nn import NetworkOutput, Segmenter

Images = list[npt.NDArray[np.uint8]]


def test_maps_have_each_images_own_size_and_are_probabilities(
    shared_model: Segmenter, images: Images
) -> None:
    maps = Predictor(shared_model, 64).predict(images)

    assert [m.shape for m in maps] == [i.shape[:2] for i in images]
    assert all(m.dtype == np.float32 for m in maps)
    assert all(((m >= 0) & (m <= 1)).all() for m in maps)
    assert maps[0].std() > 0, "a constant map would show nothing"


def test_a_batch_is_as_good_as_one_by_one(shared_model: Segmenter, images: Images) -> None:
    predictor = Predictor(shared_model, 64)

    together = predictor.predict(images)

    for image, expected in zip(images, together, strict=True):
        np.testing.assert_allclose(predictor.predict([image])[0], expected, atol=1e-5)


def test_a_square_image_of_the_networks_size_takes_no_detour(
    shared_model: Segmenter, images: Images
) -> None:
    square = torch.from_numpy(images[2]).permute(2, 0, 1)[None]
    with torch.no_grad(), evaluating(shared_model):
        logits = shared_model(shared_model.normalize(square)).logits

    (got,) = Predictor(shared_model, 64).predict([images[2]])

    np.testing.assert_allclose(got, logits.sigmoid()[0, 0].numpy(), atol=1e-6)


def test_logits_are_resized_before_they_are_squeezed(
    shared_model: Segmenter, images: Images
) -> None:
    # As the field's test scripts do; the other order would give softer edges.
    image = torch.from_numpy(images[0]).permute(2, 0, 1)
    small = F.interpolate(image[None], (64, 64), mode="bilinear", antialias=True)
    with torch.no_grad(), evaluating(shared_model):
        logits = shared_model(shared_model.normalize(small)).logits
    native = F.interpolate(logits, (40, 70), mode="bilinear", antialias=True)

    (got,) = Predictor(shared_model, 64).predict([images[0]])

    np.testing.assert_allclose(got, native.sigmoid()[0, 0].numpy(), atol=1e-6)


def test_columns_and_rows_are_not_swapped(shared_model: Segmenter, images: Images) -> None:
    # A mirrored view of the memory must be taken as what it shows.
    predictor = Predictor(shared_model, 64)
    flipped = images[0][:, ::-1]

    (of_view,) = predictor.predict([flipped])
    (of_copy,) = predictor.predict([flipped.copy()])

    np.testing.assert_array_equal(of_view, of_copy)


@pytest.mark.parametrize("training", [True, False])
def test_mode_of_the_model_is_restored(
    shared_model: Segmenter, images: Images, training: bool
) -> None:
    shared_model.train(training)

    Predictor(shared_model, 64).predict(images[:1])

    assert shared_model.training is training
    assert shared_model.head.training is training
    assert not shared_model.backbone.training, "the backbone stays in evaluation mode always"


def test_mode_is_restored_after_an_error_too(shared_model: Segmenter) -> None:
    shared_model.train()

    def fail() -> None:
        with evaluating(shared_model):
            assert not shared_model.training
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert shared_model.training


def test_prediction_changes_nothing_in_the_model(shared_model: Segmenter, images: Images) -> None:
    shared_model.train()
    before = {k: v.clone() for k, v in shared_model.state_dict().items()}

    Predictor(shared_model, 64).predict(images)

    assert all(torch.equal(v, before[k]) for k, v in shared_model.state_dict().items())


def test_training_mode_does_not_change_the_answer(shared_model: Segmenter, images: Images) -> None:
    predictor = Predictor(shared_model, 64)
    shared_model.train()
    in_training = predictor.predict(images[:2])
    shared_model.eval()

    for a, b in zip(in_training, predictor.predict(images[:2]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_half_precision_is_near_and_gives_float32(shared_model: Segmenter, images: Images) -> None:
    full = Predictor(shared_model, 64).predict(images[:2])
    half = Predictor(shared_model, 64, dtype=torch.bfloat16).predict(images[:2])

    for a, b in zip(full, half, strict=True):
        assert b.dtype == np.float32
        np.testing.assert_allclose(a, b, atol=0.05)
    assert not np.array_equal(full[0], half[0]), "autocast was not in force"


class Brightness(torch.nn.Module):
    """A network that takes what is bright for the object; counts what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[int] = []

    def normalize(self, image: torch.Tensor) -> torch.Tensor:
        return image.float() / 255

    def forward(self, image: torch.Tensor, scale: float = 1.0) -> NetworkOutput:
        self.shown.append(image.shape[0])
        logits = 20 * image.mean(1, keepdim=True) - 10
        return NetworkOutput(logits, (), torch.ones(1, image.shape[0], 1), torch.ones(1, 1))


def test_a_closer_look_is_finer_where_there_is_something_to_see() -> None:
    stripes = np.zeros((640, 640, 3), np.uint8)
    for row in range(300, 364, 16):  # a pixel of the square is 10 px high, of the window 4
        stripes[row : row + 8, 300:364] = 255
    flat = np.full((640, 640, 3), 255, np.uint8)
    model = Brightness()

    def map_of(closer: bool) -> list[npt.NDArray[np.float32]]:
        views = Views(closer=closer)
        return Predictor(cast(Segmenter, model), 64, views=views).predict([stripes, flat])

    coarse, fine = map_of(False), map_of(True)
    assert model.shown == [2, 2, 1]  # all of it is the object in the second: no window is closer
    assert fine[0].shape == (640, 640)
    truth = stripes[:, :, 0] / 255
    assert np.abs(fine[0] - truth).mean() < 0.9 * np.abs(coarse[0] - truth).mean()
    np.testing.assert_allclose(fine[1], coarse[1], atol=1e-3)


def test_modes_are_set_where_something_trains_alone(
    shared_model: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[bool] = []
    train = Segmenter.train

    def counted(model: Segmenter, mode: bool = True) -> Segmenter:
        calls.append(mode)
        return train(model, mode)

    monkeypatch.setattr(Segmenter, "train", counted)
    shared_model.eval()
    calls.clear()
    with evaluating(shared_model):
        assert not any(module.training for module in shared_model.modules())
    assert calls == []
    shared_model.head.train()
    with evaluating(shared_model):
        assert not shared_model.head.training
    assert calls == [False, False]
