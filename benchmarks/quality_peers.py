"""Networks of segmentation-models-pytorch, in the shape that this project's trainer takes."""

import importlib
from collections.abc import Collection, Iterable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from decamo.errors import SettingsError
from decamo.nn import Architecture, NetworkOutput
from decamo.nn.decoder import magnified
from decamo.nn.segmentation_network import let_learn
from decamo.nn.weights import load_weights_file
from decamo.schedule.timeline import HEAD, backbone_group
from decamo.settings import ModelSettings

__all__ = ["PEERS", "Peer", "build_peer"]

PEERS = {
    "Unet": "Unet",
    "Unet++": "UnetPlusPlus",
    "FPN": "FPN",
    "DeepLabV3+": "DeepLabV3Plus",
    "Segformer": "Segformer",
}
"""What the field calls a network -> its class in segmentation-models-pytorch."""

_LEVELS = 4  # groups of the backbone that a plan knows


class Peer(nn.Module):
    """A network of segmentation-models-pytorch with the interface of a segmenter.

    Its BatchNorm is in training mode while it trains, encoder and all, as users of that library
    have it. It has no side outputs and no experts: one gate that is always 1 stands for them.

    Attributes:
        architecture: for a checkpoint, so that it is told from another network's.

    Args:
        name: of :data:`PEERS`.
        network: takes ``[B,3,H,W]``, gives logits ``[B,1,H,W]``; has an ``encoder``.
        settings: backbone, and mean and deviation of its input.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, network: nn.Module, settings: ModelSettings) -> None:
        super().__init__()
        mean = settings.input_mean or (0.485, 0.456, 0.406)  # of ImageNet, as the library has it
        std = settings.input_std or (0.229, 0.224, 0.225)
        self.architecture: Architecture = {
            "network": name,
            "backbone": settings.backbone,
            "num_experts": 1,
            "width": 1,
            "input_mean": list(mean),
            "input_std": list(std),
        }
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        self.network = network
        self.zoom = 1.0  # part of the interface, as is the next
        self.gradient_checkpointing = False  # the library has none
        self.gives_sides = self.gives_auxiliary = False
        self.title = f"{name} with {settings.backbone}"
        self.train()

    def notes(self) -> list[str]:
        """Nothing that its name does not say."""
        return []

    def backbone_norms(self) -> list[_BatchNorm]:
        """BatchNorm layers of the encoder."""
        return [m for m in self.backbone.modules() if isinstance(m, _BatchNorm)]

    @property
    def backbone(self) -> nn.Module:
        """The encoder."""
        return cast(nn.Module, self.network.encoder)

    def forward(
        self, image: Tensor, side_outputs: bool = False, scale: float = 1.0
    ) -> NetworkOutput:
        """Predict; ``side_outputs`` changes nothing.

        Args:
            image: float32 ``[B,3,H,W]``, from :meth:`normalize`.
            side_outputs: taken and passed over.
            scale: at which the network sees the image; the logits keep the image's size.
        """
        images, size = image.shape[0], image.shape[-2:]
        image = magnified(image, scale)
        # BatchNorm over one value for each channel (DeepLabV3+ pools to one) cannot be: a last
        # batch of a single image goes twice, which leaves all other statistics as they are.
        whole = image.repeat(2, 1, 1, 1) if self.training and images == 1 else image
        logits = self.network(whole)[:images].float()
        if scale != 1:
            logits = F.interpolate(logits, size=size, mode="bilinear", antialias=scale > 1)
        gates = torch.ones(1, images, 1, device=image.device)
        return NetworkOutput(logits=logits, side=(), gates=gates, usage=self.usage())

    def normalize(self, image: Tensor) -> Tensor:
        """As :meth:`decamo.nn.SegmentationNetwork.normalize`.

        Raises:
            TypeError: the image is not uint8.
        """
        if image.dtype != torch.uint8:
            raise TypeError(f"normalize takes uint8 in [0,255], got {image.dtype}")
        return (image.float() / 255 - self.mean) / self.std

    def groups(self) -> dict[str, dict[str, nn.Parameter]]:
        """Parameters by group: the encoder is ``backbone.0`` as a whole, all else ``head``."""
        own = "network.encoder."
        every = dict(self.named_parameters())
        groups: dict[str, dict[str, nn.Parameter]] = {
            HEAD: {k: v for k, v in every.items() if not k.startswith(own)}
        }
        groups |= {backbone_group(level): {} for level in range(_LEVELS)}
        groups[backbone_group(0)] = {k: v for k, v in every.items() if k.startswith(own)}
        return groups

    def set_learning(self, groups: Collection[str]) -> None:
        """Let exactly these groups learn.

        Raises:
            ValueError: there is no such group.
        """
        let_learn(self.groups(), groups)

    def check_size(self, size: int, scale: float = 1.0) -> None:
        """It takes every multiple of 32 px."""

    def usage(self) -> Tensor:
        """The use of the one expert, float32 ``[1,1]``: always 1."""
        return torch.ones(1, 1, device=self.mean.device)

    def follow_usage(self, gates: Tensor) -> None:
        """There is nothing to follow."""


def build_peer(
    name: str,
    settings: ModelSettings,
    *,
    sizes: Iterable[int],
    initialize: bool = True,
    seed: int,
) -> Peer:
    """Build a peer as :func:`decamo.nn.build_segmenter` builds our own network.

    Args:
        name: of :data:`PEERS`.
        settings: backbone (timm's name), file of its weights, mean and deviation of the input.
        sizes: passed over.
        initialize: False where a checkpoint will be loaded: then no file is read.
        seed: fixes the initial weights; no generator outside is touched.

    Returns:
        a :class:`Peer`.

    Raises:
        SettingsError: segmentation-models-pytorch, an optional dependency, is not installed.
        WeightsUnavailable: the weights cannot be read, or do not fit the encoder key by key.
    """
    make = getattr(_library(), PEERS[name])
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = make(encoder_name=f"tu-{settings.backbone}", encoder_weights=None, classes=1)
    if initialize and settings.backbone_weights is not None:
        load_weights_file(network.encoder.model, settings.backbone_weights)
    return Peer(name, network, settings)


def _library() -> Any:
    try:
        return importlib.import_module("segmentation_models_pytorch")
    except ImportError as error:
        raise SettingsError(
            "bench quality",
            "segmentation-models-pytorch is not installed",
            "pip install segmentation-models-pytorch, or give --peers without a name",
        ) from error
