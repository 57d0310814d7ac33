import pytest
import torch
from torch import Tensor

from decamo.losses import (
    Criterion,
    balance_loss,
    boundary_loss,
    pixel_loss,
    pixel_weights,
    region_loss,
    teaching_loss,
)
from decamo.nn import NetworkOutput
from decamo.settings.loss_weights import DEFAULT_LOSS_WEIGHTS

VOID = 255
NAMES = {"bce", "iou", "boundary", "side", "balance"}


def mask_of(kind: str, size: int = 64) -> Tensor:
    mask = torch.zeros(1, 1, size, size)
    if kind == "full":
        mask += 1
    elif kind == "pixel":
        mask[..., 40, 21] = 1
    elif kind == "block":
        mask[..., 10:37, 20:50] = 1
    return mask


def predict(batch: int = 1, size: int = 64, seed: int = 0) -> NetworkOutput:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).requires_grad_()

    return NetworkOutput(
        logits=draw(batch, 1, size, size),
        side=tuple(draw(batch, 1, size // s, size // s) for s in (8, 16, 32)),
        gates=draw(4, batch, 7).softmax(2),
        usage=torch.full((4, 7), 1 / 7),
    )


@pytest.mark.parametrize("deep", [True, False])
def test_the_total_is_exactly_the_sum_of_the_named_parts(deep: bool) -> None:
    losses = Criterion(deep)(predict(), mask_of("block"))
    assert set(losses.parts) == NAMES
    total = torch.zeros(())
    for part in losses.parts.values():
        total = total + part
    assert torch.equal(losses.total, total)
    assert (float(losses.parts["side"].detach()) > 0) == deep


def test_parts_are_the_weighted_means_over_images_of_the_terms() -> None:
    prediction, mask = predict(2), torch.cat((mask_of("block"), mask_of("empty")))
    weights = {"bce": 2.0, "iou": 3.0, "boundary": 5.0, "side": 7.0, "balance": 11.0}
    parts = Criterion(True, weights)(prediction, mask).parts
    w = pixel_weights(mask)
    assert torch.allclose(parts["bce"], 2 * pixel_loss(prediction.logits, mask, w).mean())
    assert torch.allclose(parts["iou"], 3 * region_loss(prediction.logits, mask, w).mean())
    assert torch.allclose(parts["boundary"], 5 * boundary_loss(prediction.logits, mask).mean())
    assert torch.allclose(parts["balance"], 11 * balance_loss(prediction.gates, prediction.usage))
    side = 0.0
    for logits, stride in zip(prediction.side, (8, 16, 32), strict=True):
        cells = mask.unflatten(3, (-1, stride)).unflatten(2, (-1, stride)).mean((3, 5))
        w = pixel_weights(cells)
        each = pixel_loss(logits, cells, w) + region_loss(logits, cells, w)
        side += float(each.mean().detach()) / 3
    assert float(parts["side"].detach()) == pytest.approx(7 * side, rel=1e-5)


def test_weights_left_out_keep_their_default() -> None:
    usual = {name: DEFAULT_LOSS_WEIGHTS[name] for name in NAMES}
    assert Criterion(False, {"iou": 4.0}).weights == {**usual, "iou": 4.0}
    every = Criterion(False, {"iou": 4.0}, True, auxiliary=True).weights
    assert every == {**DEFAULT_LOSS_WEIGHTS, "iou": 4.0}
    assert set(DEFAULT_LOSS_WEIGHTS) == {*NAMES, "teacher", "auxiliary"}


def test_a_teacher_adds_one_term_and_moves_no_other() -> None:
    prediction, mask = predict(2), torch.cat((mask_of("block"), mask_of("empty")))
    taught = predict(2, seed=1).logits.detach()
    alone = Criterion(True)(prediction, mask).parts
    followed = Criterion(True, {"teacher": 3.0}, teacher=True)(prediction, mask, taught).parts
    assert followed.keys() == {*alone, "teacher"}
    assert all(torch.equal(value, followed[name]) for name, value in alone.items())
    expected = 3 * teaching_loss(prediction.logits, taught).mean()
    assert torch.allclose(followed["teacher"], expected)


@pytest.mark.parametrize("teacher", [True, False])
def test_logits_of_a_teacher_are_given_exactly_where_there_is_one(teacher: bool) -> None:
    prediction = predict()
    taught = None if teacher else prediction.logits.detach()
    with pytest.raises(ValueError, match="teacher"):
        Criterion(True, teacher=teacher)(prediction, mask_of("block"), taught)


@pytest.mark.parametrize("kind", ["empty", "full", "pixel", "block"])
@pytest.mark.parametrize("level", [-30.0, -2.0, 0.0, 30.0])
def test_any_mask_gives_a_finite_loss_with_a_gradient_the_right_way(
    kind: str, level: float
) -> None:
    logits = torch.full((1, 1, 64, 64), level, requires_grad=True)
    even = predict()
    mask = mask_of(kind)
    losses = Criterion(False)(NetworkOutput(logits, (), even.gates, even.usage), mask)
    losses.total.backward()
    assert logits.grad is not None
    assert losses.total.isfinite()
    assert logits.grad.isfinite().all()
    foreground, background = logits.grad[mask == 1], logits.grad[mask == 0]
    assert foreground.sum() <= 0
    assert background.sum() >= 0
    if abs(level) < 10:
        assert logits.grad.abs().max() > 1e-5


def test_a_batch_is_the_mean_of_its_images() -> None:
    """So that a trainer may split it and weigh the pieces by their size."""
    masks = torch.cat([mask_of(kind) for kind in ("block", "empty", "pixel")])
    whole, criterion = predict(3), Criterion(True)
    single = [
        NetworkOutput(
            whole.logits[i : i + 1],
            tuple(s[i : i + 1] for s in whole.side),
            whole.gates[:, i : i + 1],
            whole.usage,
        )
        for i in range(3)
    ]
    losses = [criterion(p, masks[i : i + 1]).total for i, p in enumerate(single)]
    assert torch.allclose(criterion(whole, masks).total, torch.stack(losses).mean())


def test_half_precision_logits_under_autocast_give_float32_losses() -> None:
    prediction, mask = predict(), mask_of("block")
    half = NetworkOutput(prediction.logits.half(), (), prediction.gates, prediction.usage)
    with torch.autocast("cpu", torch.bfloat16):
        losses = Criterion(False)(half, mask)
    assert losses.total.dtype == torch.float32
    expected = Criterion(False)(prediction, mask).total
    assert torch.allclose(losses.total, expected, rtol=1e-3)


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="edge"):
        Criterion(False, {"edge": 1.0})
    with pytest.raises(ValueError, match="negative"):
        Criterion(False, {"iou": -1.0})
    bare = NetworkOutput(predict().logits, (), predict().gates, predict().usage)
    with pytest.raises(ValueError, match="side_outputs=True"):
        Criterion(True)(bare, mask_of("block"))
    with pytest.raises(ValueError, match="mask"):
        Criterion(False)(bare, mask_of("block", 32))


def test_a_boundary_that_weighs_nothing_is_not_computed() -> None:
    prediction, mask = predict(), mask_of("block")
    without = Criterion(False, {"boundary": 0.0})(prediction, mask)
    full = Criterion(False)(prediction, mask)
    assert without.parts["boundary"].item() == 0
    assert not without.parts["boundary"].requires_grad
    expected = full.total - full.parts["boundary"]
    assert torch.allclose(without.total, expected)


# ---------------------------------------------------------------- void


def with_void(kind: str) -> tuple[Tensor, Tensor]:
    """A mask of four images with void in each: a ring, an edge, all of one, none of the last."""
    mask = mask_of(kind).repeat(4, 1, 1, 1)
    void = torch.zeros_like(mask, dtype=torch.bool)
    void[0, :, 8:12, 16:52] = True
    void[1, :, :, :9] = True
    void[2] = True
    return torch.where(void, torch.tensor(float(VOID)), mask), void


@pytest.mark.parametrize("kind", ["block", "pixel", "full", "empty"])
def test_void_moves_no_term_and_gets_no_gradient(kind: str) -> None:
    mask, void = with_void(kind)
    taught = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    criterion = Criterion(True, teacher=True, void=VOID)
    prediction = predict(batch=4)
    losses = criterion(prediction, mask, taught)
    assert all(part.isfinite() for part in losses.parts.values())
    (gradient,) = torch.autograd.grad(losses.total, prediction.logits, retain_graph=True)
    assert gradient.isfinite().all()
    # the boundary's cells of 2 x 2 px see the logits of void beside them, and must not count them
    assert torch.equal(gradient[void], torch.zeros_like(gradient[void]))
    noise = torch.where(void, torch.full_like(mask, 7.0), 0.0)
    moved = NetworkOutput(prediction.logits + noise, prediction.side, *_rest(prediction))
    again = criterion(moved, mask, taught + noise)
    for name, part in losses.parts.items():
        assert torch.equal(part, again.parts[name]), name


def _rest(prediction: NetworkOutput) -> tuple[Tensor, Tensor]:
    return prediction.gates, prediction.usage


@pytest.mark.parametrize("deep", [True, False])
def test_a_mask_without_void_costs_the_same_where_void_is_looked_for(deep: bool) -> None:
    prediction = predict(batch=2)
    mask = torch.cat([mask_of("block"), mask_of("pixel")])
    plain = Criterion(deep)(prediction, mask)
    same = Criterion(deep, void=VOID)(prediction, mask)
    for name, part in plain.parts.items():
        assert torch.allclose(part, same.parts[name], atol=1e-6), name


def test_an_image_that_is_all_void_costs_nothing() -> None:
    prediction = predict()
    losses = Criterion(True, void=VOID)(prediction, torch.full((1, 1, 64, 64), float(VOID)))
    assert [float(losses.parts[n].detach()) for n in ("bce", "iou", "boundary", "side")] == [0] * 4


def test_terms_with_void_are_those_of_the_known_pixels() -> None:
    prediction, (mask, void) = predict(batch=4), with_void("block")
    known = (~void).float()
    weights = pixel_weights(mask * known, known)
    for i in (0, 1, 3):
        keep = ~void[i, 0]
        logits, truth, w = (t[i, 0][keep] for t in (prediction.logits, mask, weights))
        p = logits.sigmoid()
        bce = -(truth * p.log() + (1 - truth) * (1 - p).log())
        want = (w * bce).sum() / w.sum()
        got = pixel_loss(prediction.logits, mask * known, weights)[i]
        assert torch.allclose(got, want, rtol=1e-4)
        overlap, union = (w * p * truth).sum(), (w * (p + truth - p * truth)).sum()
        got = region_loss(prediction.logits, mask * known, weights)[i]
        assert torch.allclose(got, 1 - overlap / union, rtol=1e-4)


def test_weights_beside_void_are_means_of_what_is_known() -> None:
    mask, known = mask_of("block", 32), torch.ones(1, 1, 32, 32)
    known[..., 12:, :] = 0
    got = pixel_weights(mask * known, known)
    padded_mask, padded = (torch.zeros(36, 36) for _ in range(2))
    padded_mask[2:34, 2:34], padded[2:34, 2:34] = (mask * known)[0, 0], known[0, 0]
    for row in range(12):
        for column in range(32):  # the window is 3 px at 32
            window = slice(row + 1, row + 4), slice(column + 1, column + 4)
            mean = padded_mask[window].sum() / padded[window].sum()
            want = 1 + 5 * (mean - mask[0, 0, row, column]).abs()
            assert torch.allclose(got[0, 0, row, column], want, atol=1e-5)
    assert (got[..., 12:, :] == 0).all()
