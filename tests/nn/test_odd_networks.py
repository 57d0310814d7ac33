"""Weights that cannot be had, libraries that fail, and networks that do what none should."""

import json
import platform
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import huggingface_hub
import pytest
import segmentation_models_pytorch as smp  # type: ignore[import-untyped]
import timm
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from timm.layers.pos_embed import resample_abs_pos_embed
from timm.models import efficientformer
from torch import Tensor, nn

from decamo.errors import DecamoError, ModelError, SettingsError, WeightsUnavailable
from decamo.nn import (
    build_network,
    cost,
    create_backbone,
    dense_products,
    library_networks,
    network_sources,
)
from decamo.nn.feature_maps import AS_IS, _fit_biases, open_network
from decamo.nn.foreign import ForeignNetwork
from decamo.nn.foreign_levels import backbone_module, find_backbone
from decamo.nn.foreign_output import ends_in_probabilities, read_answer
from decamo.nn.network_sources import built_by
from decamo.nn.networks import check_network
from decamo.nn.pretrained import check_pretrained, load_pretrained, published
from decamo.nn.transplant import _shapes
from decamo.nn.weights import fit_tables
from decamo.settings import ModelSettings

NAME = "test_vit"


class TestPublishedWeights:
    @pytest.fixture
    def config(self, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
        """What timm knows of any network."""
        made = SimpleNamespace(
            has_weights=True, hf_hub_id="timm/x@v1", hf_hub_filename=None, file="",
            state_dict=None, architecture="x", tag="in1k",
        )  # fmt: skip
        monkeypatch.setattr(timm, "get_pretrained_cfg", lambda *_, **__: made)
        monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
        return made

    def answer(self, monkeypatch: pytest.MonkeyPatch, error: Exception | None) -> list[str]:
        asked: list[str] = []

        def ask(url: str, *, timeout: float) -> None:
            asked.append(url)
            assert timeout <= 10
            if error is not None:
                raise error

        monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", ask)
        return asked

    def test_in_a_file_need_no_hub(
        self, config: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = self.answer(monkeypatch, OSError("no network"))
        config.file = "/weights.pth"
        check_pretrained("x")
        assert (asked, published("x")) == ([], ("x.in1k", True))

    def test_at_hand_need_no_hub(
        self, config: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = self.answer(monkeypatch, OSError("no network"))
        assert published("x") == ("x.in1k", False)
        monkeypatch.setattr(
            huggingface_hub, "try_to_load_from_cache",
            lambda repository, file, revision: f"{repository}/{revision}/{file}",
        )  # fmt: skip
        check_pretrained("x")
        assert (asked, published("x")) == ([], ("x.in1k", True))

    @pytest.mark.usefixtures("config")
    @pytest.mark.parametrize("error", [LocalEntryNotFoundError("offline"), OSError("no network")])
    def test_out_of_reach_are_told_after_one_question(
        self, error: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = self.answer(monkeypatch, error)
        with pytest.raises(WeightsUnavailable, match="--pretrained") as caught:
            check_pretrained("x")
        assert str(error) in str(caught.value)
        assert len(asked) == 1
        assert asked[0].endswith("timm/x/resolve/v1/model.safetensors")

    @pytest.mark.usefixtures("config")
    def test_under_another_name_are_left_to_timm(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = self.answer(monkeypatch, EntryNotFoundError("no such file"))
        check_pretrained("x")
        assert len(asked) == 1

    @pytest.fixture
    def donor(self, config: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """Timm as if it had weights, of the network's own size alone, or the error it raises."""
        config.file, held, real = "/x", dict[str, Any](), timm.create_model

        def create(name: str, *, pretrained: bool = False, **options: Any) -> nn.Module:
            made = real(name, **options)
            if pretrained and ("error" in held or "img_size" in options):
                raise held.get("error") or RuntimeError("size mismatch")
            if pretrained:
                generator = torch.Generator().manual_seed(5)
                for value in made.state_dict().values():
                    if value.is_floating_point():
                        value.uniform_(generator=generator)
                held["state"] = {k: v.clone() for k, v in made.state_dict().items()}
            return made

        monkeypatch.setattr(timm, "create_model", create)
        return held

    def test_that_timm_has_for_its_own_size_alone_are_taken(self, donor: dict[str, Any]) -> None:
        options: dict[str, Any] = {"img_size": 160}
        net = timm.create_model(NAME, features_only=True, **options)
        load_pretrained(net, NAME, options)
        for key, value in net.state_dict().items():
            assert torch.equal(value, donor["state"][key]), key

    @pytest.mark.parametrize("error", [RuntimeError("size mismatch"), OSError("disk full")])
    def test_that_cannot_be_loaded_are_told(self, donor: dict[str, Any], error: Exception) -> None:
        donor["error"] = error
        net = timm.create_model(NAME, features_only=True)
        with pytest.raises(WeightsUnavailable, match=f"{NAME} cannot be had .{error}") as caught:
            load_pretrained(net, NAME, {})
        assert "--backbone-weights" in str(caught.value)


class TestTables:
    @pytest.mark.parametrize(
        ("name", "held", "wanted"),
        [
            ("pos_embed", (1, 5, 3), (1, 9, 3)),
            ("pos_embed", (1, 4, 3), (1, 6, 3)),
            ("attention_biases", (2, 5), (2, 9)),
            ("attention_biases", (2, 4), (2, 7)),
        ],
    )
    def test_that_are_not_square_stay(
        self, name: str, held: tuple[int, ...], wanted: tuple[int, ...]
    ) -> None:
        value = torch.rand(held)
        assert fit_tables({name: value}, {name: torch.zeros(wanted)})[name] is value

    def test_of_places_are_the_networks_own(self) -> None:
        own = torch.arange(16).view(4, 4)
        found = fit_tables(
            {"a.attention_bias_idxs": torch.zeros(2, 2)}, {"a.attention_bias_idxs": own}
        )
        assert torch.equal(found["a.attention_bias_idxs"], own)

    def test_of_positions_are_spread_as_timm_does_it(self) -> None:
        value = torch.rand(1, 16, 3)
        found = fit_tables({"pos_embed": value}, {"pos_embed": torch.zeros(1, 36, 3)})
        wanted = resample_abs_pos_embed(value, [6, 6], [4, 4], num_prefix_tokens=0)
        assert torch.equal(found["pos_embed"], wanted)

    def test_of_efficientformer_are_of_the_size_that_it_is_built_for(self) -> None:
        net = nn.Sequential(efficientformer.Attention(8, 2, num_heads=2, resolution=7))
        _fit_biases(net, 3)
        assert net[0].attention_biases.shape == (2, 9)  # distances of 3 x 3 positions
        assert net[0](torch.rand(1, 9, 8)).shape == (1, 9, 8)


class TestLibraries:
    def refuse(self, *_: object, **__: object) -> None:
        raise ValueError("no such depth\nand more")

    @pytest.mark.parametrize(
        ("pretrained", "kind", "said"),
        [
            (False, ModelError, "smp:FPN does not take tu-test_efficientnet .no such depth.; give"),
            (True, WeightsUnavailable, "weights of resnet18 cannot be had .no such depth.; "),
        ],
    )
    def test_what_smp_cannot_make_is_told(
        self, monkeypatch: pytest.MonkeyPatch, pretrained: bool, kind: type[DecamoError], said: str
    ) -> None:
        monkeypatch.setattr(smp, "FPN", self.refuse)
        name = "resnet18" if pretrained else "test_efficientnet"
        with pytest.raises(kind, match=said):
            build_network(
                ModelSettings(name, pretrained=pretrained, network="smp:FPN"), sizes=[64], seed=0
            )

    def test_a_file_of_weights_goes_into_an_encoder_of_smp(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        filled: list[tuple[nn.Module, Path]] = []
        monkeypatch.setattr(
            library_networks, "load_weights_file", lambda net, path: filled.append((net, path))
        )
        settings = ModelSettings(
            "test_efficientnet", pretrained=False, network="smp:FPN",
            backbone_weights=tmp_path / "w.pth",
        )  # fmt: skip
        built = build_network(settings, sizes=[64], seed=0)
        assert isinstance(built, ForeignNetwork)
        assert filled == [(built.net.encoder.model, tmp_path / "w.pth")]  # type: ignore[union-attr]

    def test_what_transformers_cannot_make_is_told(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        made = "transformers.SegformerForSemanticSegmentation.__init__"
        monkeypatch.setattr(made, self.refuse)
        name = "transformers:SegformerForSemanticSegmentation"
        with pytest.raises(ModelError, match=r"cannot make Segformer\w+ \(no such depth\); name"):
            build_network(ModelSettings(network=name, pretrained=False), sizes=[64], seed=0)

    def test_only_what_is_named_may_bring_weights(self, tmp_path: Path) -> None:
        has = library_networks._has_weights
        assert has("nvidia/mit-b0")  # on the hub
        assert not has(str(tmp_path))
        assert not has("config.json")
        (tmp_path / "model.safetensors").touch()
        assert has(str(tmp_path))

    @pytest.mark.parametrize("text", ["{", '{"image_mean": [0.5]}', '{"image_mean": null}'])
    def test_a_processor_that_says_nothing_is_imagenets(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "preprocessor_config.json").write_text(text)
        assert library_networks._processor(str(tmp_path)) == library_networks._IMAGENET
        said = {"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 1]}
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
        assert library_networks._processor(str(tmp_path)) == ((0.1, 0.2, 0.3), (1, 1, 1))


class _Answer(NamedTuple):
    hidden: Tensor
    logits: Tensor


class Fails(nn.Module):
    """A network that raises in one of its modes."""

    def __init__(self, error: Exception, *, training: bool) -> None:
        super().__init__()
        self.conv, self.error, self.when = nn.Conv2d(3, 1, 3, 4, 1), error, training

    def forward(self, x: Tensor) -> Tensor:
        if self.training == self.when:
            self.register_buffer("late", torch.zeros(1), persistent=False)
            raise self.error
        return self.conv(x)


def adapted(net: nn.Module) -> ForeignNetwork:
    held: Any = {"network": "theirs", "kind": "registered"}
    return ForeignNetwork(net, held, size=64, mean=(0.5,) * 3, std=(0.5,) * 3)


class TestNetworksOfOthers:
    def test_that_fail_in_training_are_refused(self) -> None:
        with pytest.raises(ModelError, match=r"it fails in training mode at 64 px \(odd\); mend"):
            adapted(Fails(ValueError("odd"), training=True))

    @pytest.mark.parametrize(
        "error", [MemoryError(), RuntimeError("not enough memory: you tried to allocate 9 bytes")]
    )
    def test_that_need_more_memory_than_there_is_are_not_to_blame(self, error: Exception) -> None:
        with pytest.raises(type(error)) as caught:
            adapted(Fails(error, training=False))
        assert caught.value is error

    def test_may_answer_by_a_named_tuple(self) -> None:
        answer = _Answer(torch.zeros(1, 7), torch.ones(1, 1, 4, 4))
        assert torch.equal(read_answer(answer, "logits").logits, torch.ones(1, 1, 4, 4))

    def test_whose_answer_comes_from_nowhere_is_no_probability(self) -> None:
        weights = torch.rand(1, 1, 4, 4, requires_grad=True)
        assert not ends_in_probabilities(weights)  # a leaf
        assert ends_in_probabilities(weights.sigmoid().permute(0, 1, 3, 2))

    def test_backbones_in_parts_keep_their_names(self) -> None:
        net = nn.Module()
        net.body = nn.Module()
        net.body.stem, net.body.deep = nn.Linear(2, 3), nn.Linear(3, 4)
        net.head = nn.Linear(4, 1)
        parts, before = backbone_module(net, "body.stem body.deep")
        assert before == ""
        assert {*parts.state_dict()} == {k for k in net.state_dict() if k.startswith("body.")}
        assert parts.get_submodule("body.deep") is net.body.deep

    def test_a_backbone_may_lie_within_a_wrapper(self) -> None:
        inner = nn.Module()
        inner.backbone, inner.head = nn.Linear(2, 3), nn.Linear(3, 1)
        net = nn.Module()
        net.model = inner
        assert find_backbone(net) == "model.backbone"


class TestBackbonesThatDoOtherwise:
    @pytest.mark.parametrize("error", [MemoryError(), RuntimeError("out of memory")])
    def test_memory_is_no_reason_against_a_size(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        backbone = create_backbone("test_efficientnet", pretrained=False)

        def forward(_: Tensor) -> None:
            raise error

        monkeypatch.setattr(backbone, "forward", forward)
        with pytest.raises(type(error)) as caught:
            backbone.check_size(160)
        assert caught.value is error

    def test_levels_of_other_strides_are(self, monkeypatch: pytest.MonkeyPatch) -> None:
        backbone = create_backbone("test_efficientnet", pretrained=False)
        monkeypatch.setattr(backbone, "forward", lambda _: [torch.zeros(1, 1, 9, 9)] * 4)
        with pytest.raises(ModelError, match=r"160 px.* at strides \(4, 8, 16, 32\)"):
            backbone.check_size(160)


class TestSources:
    def test_a_function_of_c_tells_no_parameters(self) -> None:
        with pytest.raises(ModelError, match=r"--network: it gives dict, not a torch\.nn\.Module"):
            built_by(dict, "--network", pretrained=True)

    def test_a_file_that_is_no_python_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "net.txt").write_text("def build(): ...")
        with pytest.raises(SettingsError, match=r"cannot be imported; name a Python file"):
            network_sources._run(tmp_path / "net.txt", "net", "--network")

    def test_a_name_that_nobody_registered_is_refused_at_once(self) -> None:
        with pytest.raises(SettingsError, match="nobodys_network"):
            check_network(ModelSettings(network="nobodys_network"))

    def test_what_this_timm_lacks_has_no_shapes(self) -> None:
        assert _shapes("no_such_model_of_timm") is None
        wanted = open_network("test_efficientnet", AS_IS, "meta").state_dict()
        assert _shapes("test_efficientnet").keys() == wanted.keys()  # type: ignore[union-attr]

    def test_facts_of_another_timm_are_not_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert all(facts.name == name for name, facts in cost.shipped_facts().items())
        monkeypatch.setattr(timm, "__version__", "0.0.1")
        assert cost.shipped_facts() == {}

    def test_what_is_no_file_says_no_vendor(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(platform, "processor", lambda: "AMD64 Family 25, AuthenticAMD")
        monkeypatch.setattr(dense_products, "_CPU_INFO", tmp_path / "cpuinfo")
        assert dense_products._vendor() == "AMD64 Family 25, AuthenticAMD"
        (tmp_path / "cpuinfo").write_text("vendor_id: GenuineIntel")
        assert dense_products._vendor().endswith("vendor_id: GenuineIntel")
