import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from decamo.errors import CheckpointMismatch, DecamoError, ModelError, SettingsError
from decamo.nn import Segmenter, build_network, network_of
from decamo.nn.foreign import ForeignNetwork
from decamo.nn.foreign_levels import find_backbone
from decamo.nn.foreign_output import read_answer
from decamo.nn.networks import check_network
from decamo.nn.segmentation_network import SegmentationNetwork
from decamo.settings import ModelSettings
from decamo.settings.network_names import NetworkKind, network_spec, register_network

OWN = ModelSettings("mobilenetv2_035", pretrained=False)
SMP = ModelSettings("test_efficientnet", pretrained=False, network="smp:FPN")


class Pyramid(nn.Module):
    """Five strides, a BatchNorm at each; returns whatever ``answer`` makes of its logits."""

    def __init__(self, answer: Callable[[nn.Module, Tensor], Any] = lambda _, x: x) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*(_down(3 if n == 0 else 4) for n in range(5)))
        self.head = nn.Conv2d(4, 1, 1)
        self.answer = answer

    def forward(self, x: Tensor) -> Any:
        return self.answer(self, self.head(self.encoder(x)))


def _down(channels: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU())


class Stages(nn.Module):
    """The same with its stages as attributes of its own."""

    def __init__(self) -> None:
        super().__init__()
        for n in range(5):
            self.add_module(f"layer{n}", _down(3 if n == 0 else 4))
        self.head = nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Any:
        for n in range(5):
            x = self.get_submodule(f"layer{n}")(x)
        return self.head(x)


class Plain(nn.Module):
    """A chain of blocks at one stride, a position embedding and an unused classifier."""

    def __init__(self, blocks: int = 6) -> None:
        super().__init__()
        self.trunk = _Trunk(blocks)
        self.head = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.head(self.trunk(x))
        side = x.shape[-1] // 16
        return tokens.transpose(1, 2).unflatten(2, (side, side))


class _Trunk(nn.Module):
    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 16, 16)
        self.position = nn.Parameter(torch.zeros(1, 1, 8))
        self.blocks = nn.ModuleList(_Block() for _ in range(blocks))
        self.norm = nn.LayerNorm(8)
        self.classifier = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2) + self.position
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.gain = nn.Parameter(torch.ones(8))
        self.layer = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.gain * self.attention(x, x, x, need_weights=False)[0]
        return x + self.layer(x)


def adapted(net: nn.Module, **how: Any) -> ForeignNetwork:
    given: dict[str, Any] = {"size": 64, "mean": (0.5,) * 3, "std": (0.5,) * 3} | how
    return ForeignNetwork(net, {"network": "theirs", "kind": "registered"}, **given)


def pixels(images: int = 2, size: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (images, 3, size, size), generator=generator).to(torch.uint8)


class TestNames:
    @pytest.mark.parametrize(
        ("text", "kind", "name", "source", "said"),
        [
            ("decamo", NetworkKind.OWN, "decamo", "", "decamo"),
            ("smp:UnetPlusPlus", NetworkKind.SMP, "UnetPlusPlus", "", "smp:UnetPlusPlus"),
            ("transformers:DPT", NetworkKind.TRANSFORMERS, "DPT", "", "transformers:DPT"),
            ("transformers:A@org/b-c", NetworkKind.TRANSFORMERS, "A", "org/b-c", "transformers:A"),
            ("my/net.py:build", NetworkKind.FILE, "build", "my/net.py", "net.py:build"),
            ("C:/x/net.py:make_it", NetworkKind.FILE, "make_it", "C:/x/net.py", "net.py:make_it"),
            ("mine", NetworkKind.REGISTERED, "mine", "", "mine"),
        ],
    )
    def test_are_taken_apart(
        self, text: str, kind: NetworkKind, name: str, source: str, said: str
    ) -> None:
        spec = network_spec(text)
        assert (spec.kind, spec.name, spec.source) == (kind, name, source)
        assert str(spec) == said

    @pytest.mark.parametrize(
        "text", ["", "smp:", "smb:FPN", "smp:FPN@x", "net.py", "net.py:", "a b"]
    )
    def test_without_a_form_are_refused_with_the_settings(self, text: str) -> None:
        with pytest.raises(SettingsError, match=r"--network: got .*FILE\.py:FUNCTION"):
            ModelSettings(network=text)

    @pytest.mark.parametrize("name", ["decamo", "smp:FPN", "", "net.py:f"])
    def test_that_cannot_be_registered_are_refused(self, name: str) -> None:
        with pytest.raises(SettingsError, match="cannot name a network"):
            register_network(name, Pyramid)


class TestBuilding:
    def test_the_default_is_our_own_and_has_the_protocol(self) -> None:
        network = build_network(OWN, sizes=[64], seed=0)
        assert isinstance(network, Segmenter)
        assert isinstance(network, SegmentationNetwork)
        assert isinstance(adapted(Pyramid()), SegmentationNetwork)

    def test_the_seed_fixes_the_weights_and_no_generator_moves(self) -> None:
        pytest.importorskip("segmentation_models_pytorch")
        before = torch.get_rng_state()
        one, same, other = (build_network(SMP, sizes=[64], seed=s) for s in (0, 0, 1))
        assert torch.equal(torch.get_rng_state(), before)
        flat = [torch.cat([p.flatten() for p in m.parameters()]) for m in (one, same, other)]
        assert torch.equal(flat[0], flat[1])
        assert not torch.equal(flat[0], flat[2])

    @pytest.mark.parametrize("backbone", ["resnet18", "tu-test_efficientnet", "test_efficientnet"])
    def test_smp_takes_its_own_names_and_timms(self, backbone: str) -> None:
        pytest.importorskip("segmentation_models_pytorch")
        settings = ModelSettings(backbone, pretrained=False, network="smp:Unet")
        network = build_network(settings, sizes=[64], seed=0)
        assert network.architecture["backbone"] == backbone.replace("test", "tu-test").replace(
            "tu-tu", "tu"
        )
        again = network_of(network.architecture)
        assert again.architecture == network.architecture
        again.load_state_dict(network.state_dict())
        image = network.normalize(pixels())
        assert torch.equal(network.eval()(image).logits, again.eval()(image).logits)

    def test_a_transformers_network_is_made_of_a_config_file_and_again_without_it(
        self, tmp_path: Path
    ) -> None:
        network = tiny_segformer(tmp_path)
        assert isinstance(network, ForeignNetwork)
        assert network.prefix == "segformer"
        assert [len(g) > 0 for g in network.groups().values()] == [True] * 5
        (tmp_path / "config.json").unlink()
        again = network_of(network.architecture)
        assert again.architecture == network.architecture
        again.load_state_dict(network.state_dict())
        image = network.normalize(pixels())
        assert network.eval()(image).logits.shape == (2, 1, 64, 64), "a quarter otherwise"
        assert torch.equal(network.eval()(image).logits, again.eval()(image).logits)

    def test_weights_and_input_of_a_folder_are_taken(self, tmp_path: Path) -> None:
        first = cast(ForeignNetwork, tiny_segformer(tmp_path))
        cast(Any, first.net).save_pretrained(tmp_path / "saved")
        held = '{"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}'
        (tmp_path / "saved" / "preprocessor_config.json").write_text(held)
        name = f"transformers:SegformerForSemanticSegmentation@{tmp_path / 'saved'}"
        network = build_network(ModelSettings(network=name), sizes=[64], seed=7)
        for key, value in first.state_dict().items():
            assert torch.equal(value, network.state_dict()[key]), key
        assert network.architecture["input_mean"] == [0.1, 0.2, 0.3]
        assert network.architecture["input_std"] == [0.4, 0.5, 0.6]

    def test_a_registered_function_is_called(self) -> None:
        register_network("pyramid-of-a-test", Pyramid)
        network = build_network(ModelSettings(network="pyramid-of-a-test"), sizes=[64], seed=0)
        assert isinstance(network, ForeignNetwork)
        assert network.architecture["network"] == "pyramid-of-a-test"
        assert set(network.net.state_dict()) == set(Pyramid().state_dict()), "its own names"
        again = network_of(network.architecture)
        assert again.architecture == network.architecture

    def test_one_that_has_the_whole_protocol_is_taken_as_it_is(self) -> None:
        register_network("own-of-a-test", lambda: build_network(OWN, sizes=[64], seed=0))
        network = build_network(ModelSettings(network="own-of-a-test"), sizes=[64], seed=0)
        assert isinstance(network, Segmenter)
        assert network.architecture["network"] == "own-of-a-test"
        assert isinstance(network_of(network.architecture), Segmenter)

    def test_a_file_is_asked_for_weights_only_where_it_takes_that(self, tmp_path: Path) -> None:
        file = tmp_path / "net.py"
        file.write_text(
            "import torch\nASKED = []\n"
            "def build(pretrained=True):\n"
            "    ASKED.append(pretrained)\n"
            "    net = torch.nn.Conv2d(3, 1, 3, padding=1)\n"
            "    net.input_mean, net.input_std = (0.1, 0.2, 0.3), (1, 1, 1)\n"
            "    return net\n"
        )
        settings = ModelSettings(network=f"{file}:build")
        network = build_network(settings, sizes=[64], seed=0)
        build_network(settings, sizes=[64], initialize=False, seed=0)
        (module,) = [m for n, m in sys.modules.items() if n.startswith("decamo_network_")
                     and m.__file__ == str(file)]  # fmt: skip
        assert module.ASKED == [True, False]
        assert network.architecture["input_mean"] == [0.1, 0.2, 0.3]

    def test_a_changed_file_is_said_in_a_line(self, tmp_path: Path) -> None:
        file = tmp_path / "net.py"
        file.write_text("import torch\ndef build():\n    return torch.nn.Conv2d(3, 1, 1)\n")
        name = f"{file}:build"
        held = build_network(ModelSettings(network=name), sizes=[64], seed=0).architecture
        assert not any("changed" in n for n in network_of(held, network=name).notes())
        file.write_text(file.read_text() + "# a word\n")
        notes = network_of(held, network=name).notes()
        assert sum("net.py:build has changed since" in note for note in notes) == 1


def tiny_segformer(folder: Path) -> SegmentationNetwork:
    hub = pytest.importorskip("transformers")
    config = hub.SegformerConfig(
        depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 8, 8], num_attention_heads=[1, 1, 1, 1],
        decoder_hidden_size=8, num_labels=3,
    )  # fmt: skip
    config.to_json_file(folder / "config.json")
    name = f"transformers:SegformerForSemanticSegmentation@{folder / 'config.json'}"
    settings = ModelSettings(network=name, pretrained=False)
    return build_network(settings, sizes=[64], seed=0)


class TestMistakes:
    """One line each, with what to do."""

    @pytest.mark.parametrize(
        ("text", "content", "said"),
        [
            ("{file}:build", None, "no such file"),
            ("{file}:gone", "def build():\n    return 1\n", "no function 'gone'; choose"),
            ("{file}:build", "def build():\n    return 1\n", "gives int, not a torch.nn.Module"),
            ("{file}:build", "def build():\n    raise OSError('no\\nwhere')\n", "OSError: no"),
            ("{file}:build", "import nothing_of_this_name\n", "it fails when imported"),
            ("{file}:build", "def build(:\n", "it fails when imported: SyntaxError"),
            ("{file}:build", "import torch\nbuild = torch.nn.Identity\n", "has no parameters"),
            ("{file}:build", "import torch\ndef build():\n    return torch.nn.Conv2d(3, 7, 1)\n",
             "has no map of logits.*there is a tensor"),
            ("{file}:build", "import torch\ndef build():\n    return torch.nn.Conv2d(1, 1, 1)\n",
             "does not take 64 px images"),
            ("smp:Fpn", None, "has no 'Fpn'.*FPN"),
            ("transformers:SegformerForSemantic", None, "did you mean SegformerForSemanticSeg"),
            ("transformers:Segformer@/nowhere", None, "has no network 'Segformer'"),
            ("transformers:SegformerForSemanticSegmentation@/nowhere/x", None, "no config"),
            ("unregistered", None, "no network.*register_network"),
        ],
    )  # fmt: skip
    def test_are_told(self, tmp_path: Path, text: str, content: str | None, said: str) -> None:
        file = tmp_path / "net.py"
        if content is not None:
            file.write_text(content)
        settings = ModelSettings(network=text.format(file=file), pretrained=False)
        with pytest.raises(DecamoError, match=f"(?s){said}") as told:
            build_network(settings, sizes=[64], seed=0)
        assert "\n" not in str(told.value)

    @pytest.mark.parametrize("name", ["smp:FPN", "transformers:SegformerForSemanticSegmentation"])
    def test_a_missing_library_is_told_with_its_command(
        self, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        for library in ("segmentation_models_pytorch", "transformers"):
            monkeypatch.setitem(sys.modules, library, None)
        extra = name.partition(":")[0]
        with pytest.raises(SettingsError, match=rf"pip install 'decamo\[{extra}\]'") as told:
            build_network(ModelSettings(network=name), sizes=[64], seed=0)
        assert "\n" not in str(told.value)
        with pytest.raises(SettingsError, match="is not installed"):
            check_network(ModelSettings(network=name))

    def test_a_backbone_that_nobody_has(self) -> None:
        pytest.importorskip("segmentation_models_pytorch")
        settings = ModelSettings("resnet35", pretrained=False, network="smp:FPN")
        with pytest.raises(ModelError, match=r"neither .* has 'resnet35'; did you mean resnet"):
            build_network(settings, sizes=[64], seed=0)

    def test_a_checkpoint_never_brings_code(self, tmp_path: Path) -> None:
        architecture: dict[str, Any] = {
            "network": "net.py:build",
            "kind": "file",
            "source": "0" * 64,
        }
        for network in ("", "smp:FPN", "decamo"):
            with pytest.raises(CheckpointMismatch, match=r"brings no code.*--network FILE\.py"):
                network_of(architecture, tmp_path / "m.pth", network=network)

    def test_a_prefix_that_is_not_there(self) -> None:
        with pytest.raises(
            ModelError, match=r"--backbone-prefix: .*no module 'body'.*encoder, head"
        ):
            adapted(Pyramid(), backbone_prefix="body")

    def test_stages_side_by_side_are_a_backbone_together(self) -> None:
        whole, parts = adapted(Pyramid()), adapted(Stages())
        named = adapted(Stages(), backbone_prefix="layer0 layer2 layer1")
        assert parts.prefix == "layer0 layer1 layer2 layer3 layer4"
        assert named.prefix == "layer0 layer2 layer1"
        wanted = {
            group: sorted(tuple(p.shape) for p in held.values())
            for group, held in whole.groups().items()
        }
        for group, held in parts.groups().items():
            assert sorted(tuple(p.shape) for p in held.values()) == wanted[group]
        everything = [n for held in named.groups().values() for n in held]
        assert sorted(everything) == sorted(n for n, _ in named.named_parameters())
        assert any(n.startswith("net.layer3") for n in named.groups()["head"])
        parts.set_learning(["head"])
        assert all(not norm.training for norm in parts.backbone_norms())
        assert len(parts.backbone_norms()) == len(whole.backbone_norms())

    @pytest.mark.parametrize(
        ("names", "found"),
        [
            (("bkbone", "head"), "bkbone"),
            (("shared_encoder", "decoder"), "shared_encoder"),
            (("encoder1", "encoder2", "head"), ""),
        ],
    )
    def test_a_backbone_is_known_by_a_word(self, names: tuple[str, ...], found: str) -> None:
        net = nn.Module()
        for name in names:
            net.add_module(name, nn.Conv2d(3, 3, 1))
        assert find_backbone(net) == found

    def test_a_size_that_does_not_fit_gets_its_neighbours(self) -> None:
        def whole(net: nn.Module, x: Tensor) -> Tensor:
            if x.shape[-1] % 2:
                raise ValueError(f"odd {x.shape[-1]}\nand more")
            return x

        network = adapted(Pyramid(whole))
        network.check_size(128)
        with pytest.raises(ModelError, match=r"96 px images \(odd 3\); give --img-size 64 or 128"):
            network.check_size(96)


@dataclass
class Dataclass:
    wide: Tensor
    logits: Tensor


def one(_: nn.Module, x: Tensor) -> Any:
    return x


def two_classes(_: nn.Module, x: Tensor) -> Any:
    return torch.cat((-x, x), dim=1)


def flat(_: nn.Module, x: Tensor) -> Any:
    return x[:, 0]


def several(_: nn.Module, x: Tensor) -> Any:
    return x, [2 * x, 3 * x]


class TestAnswers:
    @pytest.mark.parametrize(
        ("answer", "output", "factor", "sides"),
        [
            (one, "", 1, 0),
            (two_classes, "", 2, 0),
            (flat, "", 1, 0),
            (several, "0", 1, 2),
            (several, "1.1", 3, 2),
            (several, "-1", 3, 2),
            (lambda _, x: (x, torch.zeros(len(x), 5)), "", 1, 0),
            (lambda _, x: {"out": x, "aux": 2 * x}, "", 1, 1),
            (lambda _, x: {"a": 2 * x, "b": x}, "b", 1, 1),
            (lambda _, x: Dataclass(wide=x.repeat(1, 9, 1, 1), logits=x), "", 1, 0),
            (lambda n, x: [x, 2 * x] if n.training else x, "0", 1, 1),
            (lambda n, x: [2 * x, x] if n.training else x, "1", 1, 1),
        ],
    )
    def test_are_sorted(
        self, answer: Callable[[nn.Module, Tensor], Any], output: str, factor: int, sides: int
    ) -> None:
        network = adapted(Pyramid(answer), output=output).train()
        assert network.gives_sides == bool(sides)
        image = network.normalize(pixels())
        torch.manual_seed(0)
        small = network.net.get_submodule("head")(network.net.get_submodule("encoder")(image))
        said = network(image, side_outputs=True)
        assert said.logits.shape == (2, 1, 64, 64)
        expected = F.interpolate(factor * small, size=(64, 64), mode="bilinear")
        torch.testing.assert_close(said.logits, expected)
        assert [side.shape for side in said.side] == [(2, 1, 2, 2)] * sides
        assert network(image).side == ()
        assert network.eval()(image).logits.shape == (2, 1, 64, 64)

    @pytest.mark.parametrize(
        ("answer", "output", "said"),
        [
            (several, "", r"several maps; there is 0 \[.*\], 1\.0 \[.*\], 1\.1"),
            (several, "3", "has no map of logits '3'"),
            (several, "-4", "has no map of logits '-4'"),
            (lambda _, x: {"a": x, "b": x}, "c", "has no map of logits 'c'; there is a .*, b"),
            (lambda _, x: {"a": x.repeat(1, 3, 1, 1)}, "", r"there is a \[1, 3, 2, 2\]"),
            (lambda _, x: "nothing", "", "there is no tensor"),
            (lambda n, x: [x, x] if n.training else x, "", "several maps"),
        ],
    )
    def test_that_are_unclear_are_refused_with_what_there_is(
        self, answer: Callable[[nn.Module, Tensor], Any], output: str, said: str
    ) -> None:
        with pytest.raises(ModelError, match=f"--output: .*{said}") as told:
            adapted(Pyramid(answer), output=output)
        assert "\n" not in str(told.value)

    def test_a_loss_of_the_networks_own_is_passed_on_while_it_trains(self) -> None:
        def own(net: nn.Module, x: Tensor) -> Mapping[str, Any]:
            return {"logits": x, "auxiliary_loss": {"a": x.mean() * 0 + 2, "b": x.mean() * 0 + 3}}

        network = adapted(Pyramid(own))
        image = network.normalize(pixels())
        assert network.gives_auxiliary
        assert not network.gives_sides
        assert float(cast(Tensor, network.train()(image).auxiliary).detach()) == pytest.approx(5)
        assert network.eval()(image).auxiliary is None
        assert not adapted(Pyramid()).gives_auxiliary

    def test_two_classes_are_one_by_their_difference(self) -> None:
        maps = torch.randn(2, 2, 3, 3, generator=torch.Generator().manual_seed(1))
        logits = read_answer(maps).logits
        torch.testing.assert_close(logits.sigmoid()[:, 0], maps.softmax(1)[:, 1])

    @pytest.mark.parametrize("ends", [torch.sigmoid, lambda x: torch.cat((-x, x), 1).softmax(1)])
    @pytest.mark.parametrize("modes", [(False,), (True,), (False, True)])
    def test_probabilities_are_made_logits_again(
        self, ends: Callable[[Tensor], Tensor], modes: tuple[bool, ...]
    ) -> None:
        def sometimes(net: nn.Module, x: Tensor) -> Tensor:
            return ends(x) if net.training in modes else x

        network, plain = adapted(Pyramid(sometimes)), adapted(Pyramid())
        plain.load_state_dict(network.state_dict())
        image = network.normalize(pixels())
        factor = 1.0 if ends is torch.sigmoid else 2.0  # softmax of (-x, x)
        for mode in (False, True):
            found, raw = network.train(mode)(image), plain.train(mode)(image)
            expected = raw.logits * (factor if mode in modes else 1.0)
            torch.testing.assert_close(found.logits, expected, atol=1e-3, rtol=1e-3)
        assert any("ends in a sigmoid or softmax, which is undone" in n for n in network.notes())
        assert not any("sigmoid" in n for n in plain.notes())
        found.logits.mean().backward()
        raw.logits.mean().backward()
        theirs = next(p.grad for p in network.parameters() if p.grad is not None)
        ours = next(p.grad for p in plain.parameters() if p.grad is not None)
        torch.testing.assert_close(
            theirs, ours * (factor if True in modes else 1.0), atol=1e-3, rtol=1e-2
        )


class TestGroups:
    def test_go_by_strides_where_there_are_all(self) -> None:
        network = adapted(Pyramid())
        groups = network.groups()
        assert sorted(n for g in groups.values() for n in g) == sorted(
            n for n, _ in network.named_parameters()
        )
        level = {n: g for g, members in groups.items() for n in members}
        expected = ["backbone.0", "backbone.0", "backbone.1", "backbone.2", "backbone.3"]
        assert [level[f"net.encoder.{n}.0.weight"] for n in range(5)] == expected
        assert level["net.head.weight"] == "head"
        assert "strides" in network.notes()[0]

    @pytest.mark.parametrize("blocks", [4, 6, 12])
    def test_go_by_depth_in_a_chain_of_blocks(self, blocks: int) -> None:
        network = adapted(Plain(blocks))
        level = {n: g for g, members in network.groups().items() for n in members}
        assert len(level) == len(list(network.parameters()))
        own = "net.trunk."
        for n in range(blocks):
            wanted = f"backbone.{n * 4 // blocks}"
            for part in ("attention.out_proj.weight", "attention.in_proj_weight", "gain",
                         "layer.bias"):  # fmt: skip
                assert level[f"{own}blocks.{n}.{part}"] == wanted, (n, part)
        assert level[f"{own}patch.weight"] == level[f"{own}position"] == "backbone.0"
        assert level[f"{own}norm.weight"] == level[f"{own}classifier.weight"] == "backbone.3"
        assert f"by depth, {blocks} blocks" in network.notes()[0]

    def test_without_a_backbone_all_is_head_and_that_is_warned_of(self) -> None:
        network = adapted(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 1, 1)))
        assert len(network.groups()["head"]) == 4
        assert network.notes()[0].startswith("warning: no backbone")
        named = adapted(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 1, 1)), backbone_prefix="0")
        assert len(named.groups()["head"]) == 2

    def test_batchnorm_stands_still_exactly_where_it_is_frozen(self) -> None:
        network = adapted(Pyramid())
        network.set_learning({"head", "backbone.3", "backbone.2"})
        network.eval()
        network.train()
        norms = [m for m in network.net.modules() if isinstance(m, nn.BatchNorm2d)]
        before = [cast(Tensor, n.running_mean).clone() for n in norms]
        network(network.normalize(pixels()))
        still = [torch.equal(b, cast(Tensor, n.running_mean))
                 for b, n in zip(before, norms, strict=True)]  # fmt: skip
        assert still == [True, True, True, False, False]
        learning = {n for n, p in network.named_parameters() if p.requires_grad}
        assert learning == {n for g in ("head", "backbone.2", "backbone.3")
                            for n in network.groups()[g]}  # fmt: skip
        with pytest.raises(ValueError, match="nothing"):
            network.set_learning({"nothing"})

    def test_being_looked_at_changes_nothing(self) -> None:
        net = Pyramid()
        before = {n: t.clone() for n, t in net.state_dict().items()}
        generator = torch.get_rng_state()
        network = adapted(net)
        assert torch.equal(generator, torch.get_rng_state())
        assert all(torch.equal(t, before[n]) for n, t in network.net.state_dict().items())

    def test_a_last_batch_of_one_image_can_be_trained_on(self) -> None:
        network = adapted(Pyramid()).train()
        image = network.normalize(pixels(1, 32))
        assert network(image).logits.shape == (1, 1, 32, 32)


def test_gradient_checkpointing_is_switched_where_there_is_a_method_and_else_warned_of(
    tmp_path: Path,
) -> None:
    plain = adapted(Pyramid())
    plain.gradient_checkpointing = True
    assert not plain.gradient_checkpointing
    assert any("--gradient-checkpointing saves nothing" in note for note in plain.notes())
    network = tiny_segformer(tmp_path)
    network.gradient_checkpointing = True
    assert network.gradient_checkpointing
    image = network.normalize(pixels())
    weights = dict(network.named_parameters())
    gradients = []
    for enable in (True, False):
        network.gradient_checkpointing = enable
        network.train()
        torch.manual_seed(0)
        network(image).logits.sum().backward()
        gradients.append({n: p.grad for n, p in weights.items()})
        network.zero_grad()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name])


def test_it_sees_the_image_at_a_scale_and_answers_at_the_images_size() -> None:
    network = adapted(Pyramid()).eval()
    sides: list[int] = []
    network.net.get_submodule("encoder").register_forward_pre_hook(
        lambda _, seen: sides.append(seen[0].shape[-1])
    )
    image = network.normalize(pixels())
    assert network(image, scale=1.5).logits.shape == (2, 1, 64, 64)
    network(image)
    assert sides == [96, 64]
