import inspect
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch

from benchmarks.quality_peers import PEERS, Peer, build_peer
from decamo.errors import CheckpointMismatch, SettingsError, WeightsUnavailable
from decamo.nn import SegmentationNetwork, build_segmenter, from_architecture
from decamo.settings import ModelSettings

pytest.importorskip("segmentation_models_pytorch")

SETTINGS = ModelSettings(
    "mobilenetv2_035", pretrained=False, input_mean=(0.5, 0.5, 0.5), input_std=(0.5, 0.5, 0.5)
)


def build(name: str, seed: int = 0, weights: Path | None = None) -> Peer:
    settings = replace(SETTINGS, backbone_weights=weights)
    return build_peer(name, settings, sizes=[32], seed=seed)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Random weights of the whole classifier, statistics of its norms included."""
    generator = torch.Generator().manual_seed(5)
    state = timm.create_model("mobilenetv2_035").state_dict()
    made = {
        name: torch.rand(value.shape, generator=generator) if value.is_floating_point() else value
        for name, value in state.items()
    }
    torch.save(made, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in ("FPN", "Segformer") else pytest.mark.long) for n in PEERS],
)
def test_every_tensor_of_the_encoder_is_the_files(name: str, weights: Path) -> None:
    peer, held = build(name, weights=weights), torch.load(weights, weights_only=True)
    own = peer.backbone.state_dict()
    assert all(key.startswith("model.") for key in own)
    for key, value in own.items():
        assert torch.equal(value, held[key.removeprefix("model.")]), key
    left = set(held) - {key.removeprefix("model.") for key in own}
    assert all(key.startswith(("conv_head", "bn2", "classifier")) for key in left)
    ours = build_segmenter(replace(SETTINGS, backbone_weights=weights), sizes=[32], seed=0)
    mine = ours.backbone.net.state_dict()
    assert mine.keys() == {key.removeprefix("model.") for key in own}
    assert all(torch.equal(value, own[f"model.{key}"]) for key, value in mine.items())


def test_a_file_that_lacks_a_key_is_refused(weights: Path) -> None:
    held = torch.load(weights, weights_only=True)
    del held["blocks.3.0.bn2.running_var"]
    torch.save(held, weights)
    with pytest.raises(WeightsUnavailable, match=r"blocks\.3\.0\.bn2\.running_var"):
        build("FPN", weights=weights)


def test_a_peer_seen_larger_answers_in_the_image_s_size() -> None:
    peer, image = build("FPN").eval(), torch.rand(1, 3, 64, 64)
    sizes: list[torch.Size] = []
    peer.backbone.register_forward_pre_hook(lambda _, seen: sizes.append(seen[0].shape))
    assert peer(image, scale=1.5).logits.shape == (1, 1, 64, 64)
    assert not torch.equal(peer(image, scale=1.5).logits, peer(image).logits)
    assert [size[-1] for size in sizes] == [96, 96, 64]


@pytest.mark.parametrize("name", PEERS)
def test_it_answers_as_a_segmenter_does(name: str) -> None:
    peer, ours = build(name), build_segmenter(SETTINGS, sizes=[64], seed=0)
    raw = torch.randint(0, 256, (2, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    image = peer.normalize(raw.to(torch.uint8))
    assert torch.equal(image, ours.normalize(raw.to(torch.uint8)))
    said = peer(image, side_outputs=True)
    assert said.logits.shape == (2, 1, 64, 64)
    assert said.logits.dtype == torch.float32
    assert said.gates.shape[1] == 2
    assert torch.equal(said.gates.sum(2), torch.ones(1, 2))
    assert said.usage.shape == peer.usage().shape == (1, 1)
    assert peer.groups().keys() == ours.groups().keys()
    with pytest.raises(TypeError):
        peer.normalize(raw.float())


def test_it_has_every_public_name_of_the_protocol() -> None:
    own = {n for n, _ in inspect.getmembers(SegmentationNetwork) if not n.startswith("_")}
    lacking = own - {n for n, _ in inspect.getmembers(build("FPN")) if not n.startswith("_")}
    assert lacking == set()


def test_groups_share_out_all_parameters_and_the_encoder_is_the_backbone() -> None:
    peer = build("FPN")
    groups = peer.groups()
    dealt = [name for group in groups.values() for name in group]
    assert sorted(dealt) == sorted(name for name, _ in peer.named_parameters())
    encoder = {id(p) for p in peer.backbone.parameters()}
    assert {id(p) for p in groups["backbone.0"].values()} == encoder
    peer.set_learning({"head"})
    learning = {name for name, p in peer.named_parameters() if p.requires_grad}
    assert learning == set(groups["head"])
    with pytest.raises(ValueError, match="nothing"):
        peer.set_learning({"nothing"})


def test_batchnorm_learns_its_statistics_in_training_and_keeps_them_in_evaluation() -> None:
    peer = build("Unet").train()
    norm = next(m for m in peer.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert norm.running_mean is not None
    image = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before = norm.running_mean.clone()
    peer.eval()(image)
    assert torch.equal(norm.running_mean, before)
    peer.train()(image)
    assert not torch.equal(norm.running_mean, before)


@pytest.mark.parametrize("name", PEERS)
def test_a_last_batch_of_one_image_can_be_trained_on(name: str) -> None:
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert build(name).train()(image).logits.shape == (1, 1, 64, 64)


def test_the_seed_fixes_the_weights_and_no_generator_moves() -> None:
    before = torch.get_rng_state()
    one, same, other = build("FPN"), build("FPN"), build("FPN", seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    flat = [torch.cat([p.flatten() for p in m.parameters()]) for m in (one, same, other)]
    assert torch.equal(flat[0], flat[1])
    assert not torch.equal(flat[0], flat[2])


def test_its_checkpoint_says_that_it_is_another_network() -> None:
    architecture = build("FPN").architecture
    assert architecture["network"] == "FPN"
    with pytest.raises(CheckpointMismatch, match="it holds the network FPN"):
        from_architecture(architecture | {"width": 8})


def test_without_the_library_the_remedy_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(SettingsError, match="pip install segmentation-models-pytorch") as caught:
        build("FPN")
    assert "\n" not in str(caught.value)
