import pytest
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from decamo.losses import Criterion
from decamo.nn import Segmenter, calibrate_batchnorm, needs_calibration
from decamo.nn.experts import KINDS, MOMENTUM
from tests.nn.conftest import Make

SMALL = ["edgenext_xx_small", "mobilenetv2_035"]
BACKBONE = [f"backbone.{i}" for i in range(4)]


@pytest.mark.parametrize("name", SMALL)
def test_the_prediction_has_the_contract_s_shapes(make: Make, name: str) -> None:
    segmenter = make(name)
    image = torch.zeros(2, 3, 64, 96)
    bare, full = segmenter(image), segmenter(image, side_outputs=True)
    assert bare.side == ()
    assert full.logits.shape == (2, 1, 64, 96)
    assert [tuple(s.shape) for s in full.side] == [(2, 1, 8, 12), (2, 1, 4, 6), (2, 1, 2, 3)]
    assert full.gates.shape == (4, 2, 7)
    assert full.usage.shape == (4, 7)
    assert torch.allclose(full.gates.sum(2), torch.ones(4, 2))
    assert not full.usage.requires_grad
    assert {t.dtype for t in (full.logits, *full.side, full.gates, full.usage)} == {torch.float32}


@pytest.mark.parametrize("experts", [1, 7, 28])
def test_any_number_of_experts(make: Make, image: Tensor, experts: int) -> None:
    segmenter = make(num_experts=experts)
    prediction = segmenter(image)
    assert prediction.gates.shape == (4, 2, experts)
    assert prediction.logits.isfinite().all()
    assert len(segmenter.mixtures[0].experts) == experts  # type: ignore[arg-type]
    assert len(KINDS) == 7


@pytest.mark.parametrize(
    ("zoom", "scale", "seen"), [(1.5, 1.0, (96, 128)), (1.0, 1.5, (96, 128)), (2.0, 0.5, (64, 96))]
)
def test_the_backbone_sees_the_magnified_image_and_the_logits_have_its_own_size(
    make: Make, zoom: float, scale: float, seen: tuple[int, int]
) -> None:
    prediction = make(zoom=zoom)(torch.rand(2, 3, 64, 96), side_outputs=True, scale=scale)
    assert prediction.logits.shape == (2, 1, 64, 96)
    assert prediction.side[0].shape == (2, 1, seen[0] // 8, seen[1] // 8)
    Criterion(True)(prediction, torch.zeros(2, 1, 64, 96)).total.backward()


def test_a_zoom_is_the_scale_at_which_a_network_always_looks(make: Make) -> None:
    plain, zoomed = make(), make(zoom=2.0)
    zoomed.load_state_dict(plain.state_dict())
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(plain(image, scale=2.0).logits, zoomed(image).logits)


def test_an_untrained_network_predicts_no_object(make: Make, image: Tensor) -> None:
    assert make()(image).logits.max() < 0


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_is_in_exactly_one_group(make: Make, name: str) -> None:
    segmenter = make(name)
    groups = segmenter.groups()
    assert list(groups) == ["head", *BACKBONE]
    named = dict(segmenter.named_parameters())
    listed = [n for group in groups.values() for n in group]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(named)
    assert all(p is named[n] for group in groups.values() for n, p in group.items())
    assert all(groups.values())


@pytest.mark.parametrize("opened", [["head"], ["head", "backbone.3"], BACKBONE, []])
def test_exactly_the_groups_named_learn(make: Make, image: Tensor, opened: list[str]) -> None:
    segmenter = make()
    segmenter.set_learning(["head", *BACKBONE])
    segmenter.set_learning(opened)
    prediction = segmenter(image, side_outputs=True)
    if opened:
        total = prediction.logits.mean() + sum(s.mean() for s in prediction.side)
        total.backward()
    for name, group in segmenter.groups().items():
        assert all(p.requires_grad == (name in opened) for p in group.values())
        assert all((p.grad is not None) == (name in opened) for p in group.values()), name


def test_a_frozen_backbone_keeps_no_graph(make: Make, image: Tensor) -> None:
    segmenter = make("edgenext_xx_small")
    seen: list[Tensor] = []
    segmenter.backbone.register_forward_hook(lambda _, __, features: seen.extend(features))
    segmenter.set_learning({"head"})
    segmenter(image)
    assert seen
    assert not any(f.requires_grad for f in seen)
    seen.clear()
    segmenter.set_learning({"head", "backbone.2"})
    segmenter(image)
    assert [f.requires_grad for f in seen] == [False, False, True, True]


def test_an_unknown_group_is_a_mistake(make: Make) -> None:
    with pytest.raises(ValueError, match=r"backbone\.4"):
        make().set_learning({"head", "backbone.4"})


def test_the_backbone_stays_in_eval_mode_and_its_buffers_never_move(
    make: Make, image: Tensor
) -> None:
    segmenter = make()
    assert segmenter.training
    assert not any(m.training for m in segmenter.backbone.modules())
    assert any(isinstance(m, _BatchNorm) for m in segmenter.backbone.modules())
    before = {n: b.clone() for n, b in segmenter.backbone.named_buffers()}
    optimizer = torch.optim.SGD(segmenter.parameters(), 0.01)
    for _ in range(2):
        segmenter(image).logits.mean().backward()
        optimizer.step()
    assert before
    assert all(torch.equal(b, before[n]) for n, b in segmenter.backbone.named_buffers())
    assert not segmenter.eval().training
    assert all(m.training for m in segmenter.train().mixtures.modules())


@pytest.mark.parametrize("name", SMALL)
def test_images_do_not_leak_into_each_other(make: Make, image: Tensor, name: str) -> None:
    segmenter = make(name)  # in training mode, where it matters
    together = segmenter(image, side_outputs=True)
    for i in range(2):
        alone = segmenter(image[i : i + 1], side_outputs=True)
        assert torch.allclose(together.logits[i], alone.logits[0], atol=1e-5)
        assert torch.allclose(together.gates[:, i], alone.gates[:, 0], atol=1e-5)
        for a, b in zip(together.side, alone.side, strict=True):
            assert torch.allclose(a[i], b[0], atol=1e-5)


def gradients(segmenter: Segmenter, image: Tensor) -> dict[str, Tensor]:
    segmenter.zero_grad()
    segmenter(image).logits.square().mean().backward()
    return {n: p.grad.clone() for n, p in segmenter.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", [*SMALL, "wrapped"])
def test_checkpointing_changes_no_gradient(
    make: Make, image: Tensor, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = make(SMALL[1] if name == "wrapped" else name)
    if name == "wrapped":  # a feature extractor that has no switch of its own
        monkeypatch.delattr(type(plain.backbone.net), "set_grad_checkpointing", raising=False)
        for base in type(plain.backbone.net).__mro__:
            monkeypatch.delattr(base, "set_grad_checkpointing", raising=False)
        assert not hasattr(plain.backbone.net, "set_grad_checkpointing")
    expected = gradients(plain, image)
    saved = make(SMALL[1] if name == "wrapped" else name)
    runs = 0

    def count(*_: object) -> None:
        nonlocal runs
        runs += 1

    # the deepest convolution runs again in the backward pass, and only there
    convolutions = [m for m in saved.backbone.modules() if isinstance(m, torch.nn.Conv2d)]
    convolutions[len(convolutions) // 2].register_forward_hook(count)
    saved.gradient_checkpointing = True
    assert saved.gradient_checkpointing
    found = gradients(saved, image)
    assert runs == 2
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[n], expected[n], rtol=1e-4, atol=1e-7) for n in expected)


def test_usage_follows_each_level_and_a_prediction_keeps_its_own(make: Make, image: Tensor) -> None:
    segmenter = make()
    first = segmenter(image)
    kept = first.usage.clone()
    segmenter.follow_usage(first.gates.detach().mean(1))
    assert torch.equal(first.usage, kept)
    assert torch.allclose(
        segmenter.usage(), MOMENTUM * kept + (1 - MOMENTUM) * first.gates.detach().mean(1)
    )
    (first.usage * first.gates.mean(1)).sum().backward()


def test_autocast_changes_little_and_gives_float32(make: Make, image: Tensor) -> None:
    segmenter = make("edgenext_xx_small").eval()
    plain = segmenter(image)
    with torch.autocast("cpu", torch.bfloat16):
        cast = segmenter(image, side_outputs=True)
        Criterion(deep_supervision=True)(cast, (plain.logits > -2).float()).total.backward()
    assert {t.dtype for t in (cast.logits, *cast.side, cast.gates)} == {torch.float32}
    assert torch.allclose(cast.logits, plain.logits, atol=0.05)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in segmenter.parameters())


def test_normalize_gives_the_backbone_s_units(make: Make) -> None:
    segmenter = make()
    black, white = torch.zeros(1, 3, 1, 1, dtype=torch.uint8), torch.full((1, 3, 1, 1), 255)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    assert torch.allclose(segmenter.normalize(black).flatten(), -mean / std)
    assert torch.allclose(segmenter.normalize(white.byte()).flatten(), (1 - mean) / std)
    assert "mean" not in segmenter.state_dict()
    with pytest.raises(TypeError, match="float32"):
        segmenter.normalize(torch.zeros(1, 3, 1, 1))


@pytest.mark.parametrize(
    "name", ["test_efficientnet", *(pytest.param(n, marks=pytest.mark.long) for n in SMALL)]
)
def test_it_learns_a_blob(make: Make, name: str) -> None:
    segmenter = make(name)
    centres = torch.tensor([[20, 20, 10], [40, 30, 14], [30, 44, 8], [12, 50, 9]])
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    cy, cx, r = centres.T[:, :, None, None]
    mask = ((y - cy) ** 2 + (x - cx) ** 2 < r**2).float()[:, None]
    noise = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    pixels = (mask * 120 + noise * 100).byte()
    if needs_calibration(segmenter):
        calibrate_batchnorm(segmenter, [pixels])
    criterion, image = Criterion(deep_supervision=True), segmenter.normalize(pixels)
    optimizer = torch.optim.AdamW(segmenter.parameters(), 1e-3)
    totals = []
    for _ in range(30):
        losses = criterion(segmenter(image, side_outputs=True), mask)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        totals.append(float(losses.total.detach()))
    assert totals[-1] < 0.6 * totals[0]
    prediction = segmenter.eval()(image).logits > 0
    iou = (prediction & mask.bool()).sum() / (prediction | mask.bool()).sum()
    assert iou > 0.5
