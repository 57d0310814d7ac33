"""The network: only composes its parts, and says which parameters learn."""

from collections.abc import Collection, Sequence
from typing import Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from decamo.nn.backbone import STRIDES, Backbone
from decamo.nn.decoder import Decoder, Lateral, LogitHead, magnified, magnified_side
from decamo.nn.experts import Mixture, Router
from decamo.nn.segmentation_network import Architecture, NetworkOutput, let_learn, normalized
from decamo.settings.words import counted

__all__ = ["Segmenter", "completed"]

# Channels inside an expert at strides 4 to 32: few where there are many positions, since there
# element-wise work, not arithmetic, is what takes the time.
EXPERT_WIDTHS = (16, 16, 24, 24)


def completed(architecture: Architecture) -> Architecture:
    """With the entries that a network leaves out where they change nothing, as older ones did."""
    return {"zoom": 1.0, "fovea": 1.0, **architecture}


class Segmenter(nn.Module):
    """Backbone, experts at each of four levels, a top-down decoder, one map of logits.

    The backbone stays in eval mode always: frozen BatchNorm statistics and no stochastic depth,
    which is sound at a micro-batch of 1. All else normalizes image by image.

    Attributes:
        architecture: plain values from which ``build.from_architecture`` makes it again.

    Args:
        backbone: gives the pyramid.
        num_experts: experts at each level.
        kinds: of the experts by name; empty for the built-in ones in turn.
        width: channels of every level behind the backbone, a multiple of 8.
        mean: mean of the input channels, RGB in [0,1].
        std: standard deviation of the input channels, in the same unit.
        zoom: how much larger than the image the backbone sees it, 1 or more.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: Backbone,
        *,
        num_experts: int,
        kinds: Sequence[str] = (),
        width: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        zoom: float = 1.0,
    ) -> None:
        super().__init__()
        self.architecture: Architecture = {
            "backbone": backbone.name,
            "num_experts": num_experts,
            "width": width,
            "input_mean": list(mean),
            "input_std": list(std),
        }
        if kinds:
            self.architecture["experts"] = list(kinds)
        if zoom != 1:  # left out otherwise: the networks of earlier versions stay the same
            self.architecture["zoom"] = zoom
        if backbone.variant.built_for is not None:
            self.architecture["img_size"] = backbone.variant.built_for
        self.zoom = zoom
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        self.backbone = backbone
        self.laterals = nn.ModuleList(Lateral(channels, width) for channels in backbone.channels)
        self.mixtures = nn.ModuleList(Mixture(width, num_experts, d, kinds) for d in EXPERT_WIDTHS)
        self.decoder = Decoder(width, len(STRIDES))
        self.head = LogitHead(width)
        # Always there, so that a checkpoint does not depend on how it was trained.
        self.sides = nn.ModuleList(LogitHead(width) for _ in STRIDES[1:])
        self.train()

    def forward(
        self, image: Tensor, side_outputs: bool = False, scale: float = 1.0
    ) -> NetworkOutput:
        """Predict; the logits have the image's size at every zoom and scale.

        Args:
            image: float32 ``[B,3,H,W]``, from :meth:`normalize`; H and W multiples of 32.
            side_outputs: also give the logits of strides 8, 16 and 32.
            scale: on top of the network's own zoom.
        """
        (finest, *deeper), gates = self._look(self.enlarged(image, scale))
        logits = F.interpolate(self.head(finest), size=image.shape[-2:], mode="bilinear")
        return NetworkOutput(
            logits=logits,
            side=self._side_logits(deeper) if side_outputs else (),
            gates=gates,
            usage=self.usage(),
        )

    def enlarged(self, image: Tensor, scale: float = 1.0) -> Tensor:
        """What the backbone sees of an image first, ``[B,3,H,W]`` -> ``[B,3,h,w]``."""
        return magnified(image, self.zoom * scale)

    def _look(self, image: Tensor, prior: Tensor | None = None) -> tuple[list[Tensor], Tensor]:
        """Features of each level behind the decoder, finest first, and gates ``[levels,B,E]``.

        Args:
            image: as the backbone is to see it.
            prior: added to what the finest level enters its mixture with.
        """
        pyramid, gates = [], []
        levels = zip(self.backbone(image), self.laterals, self.mixtures, strict=True)
        for level, (feature, lateral, mixture) in enumerate(levels):
            entering = lateral(feature)
            if prior is not None and level == 0:
                entering = entering + prior
            mixed, gate = mixture(entering)
            pyramid.append(mixed)
            gates.append(gate)
        return self.decoder(pyramid), torch.stack(gates)

    def _side_logits(self, deeper: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(side(level) for side, level in zip(self.sides, deeper, strict=True))

    def check_size(self, size: int, scale: float = 1.0) -> None:
        """Look whether the backbone takes square images of ``size`` px at ``scale``.

        Raises:
            ModelError: it does not.
        """
        self.backbone.check_size(magnified_side(size, self.zoom * scale))

    def normalize(self, image: Tensor) -> Tensor:
        """Uint8 RGB ``[B,3,H,W]`` -> float32 of about zero mean and unit deviation.

        Raises:
            TypeError: the image is not uint8, so it may have been scaled before.
        """
        return normalized(image, self.mean, self.std)

    def groups(self) -> dict[str, dict[str, nn.Parameter]]:
        """Parameters by group, ``head`` and ``backbone.0`` (shallowest) to ``backbone.3``.

        Names are those of :meth:`named_parameters`; each parameter is in exactly one group.
        """
        every = dict(self.named_parameters())
        deep = {f"backbone.{name}" for names in self.backbone.levels for name in names}
        groups: dict[str, dict[str, nn.Parameter]] = {
            "head": {k: v for k, v in every.items() if k not in deep}
        }
        for level, names in enumerate(self.backbone.levels):
            groups[f"backbone.{level}"] = {f"backbone.{n}": every[f"backbone.{n}"] for n in names}
        return groups

    def set_learning(self, groups: Collection[str]) -> None:
        """Let exactly these groups learn; without a backbone group no graph of it is kept.

        Raises:
            ValueError: there is no such group.
        """
        let_learn(self.groups(), groups)
        self.backbone.frozen = all(name == "head" for name in groups)

    def backbone_norms(self) -> list[_BatchNorm]:
        """BatchNorm layers of the backbone that keep running statistics."""
        norms = [m for m in self.backbone.modules() if isinstance(m, _BatchNorm)]
        return [norm for norm in norms if norm.track_running_stats]

    @property
    def gives_sides(self) -> bool:
        """It has side outputs at strides 8, 16 and 32."""
        return True

    @property
    def gives_auxiliary(self) -> bool:
        """It returns no loss of its own."""
        return False

    @property
    def title(self) -> str:
        """Its backbone and the number of its experts."""
        experts = counted(cast(int, self.architecture["num_experts"]), "expert")
        return f"{self.architecture['backbone']} with {experts} a level"

    def notes(self) -> list[str]:
        """What of its backbone is not the network's own, in a line."""
        return [self.backbone.note] if self.backbone.note else []

    @property
    def gradient_checkpointing(self) -> bool:
        """Whether the backbone is recomputed in the backward pass, to save memory."""
        return self.backbone.checkpointing

    @gradient_checkpointing.setter
    def gradient_checkpointing(self, enable: bool) -> None:
        self.backbone.set_checkpointing(enable)

    def train(self, mode: bool = True) -> Self:
        """Training mode for all but the backbone."""
        super().train(mode)
        self.backbone.eval()
        return self

    def usage(self) -> Tensor:
        """Each level's running average of the gates, float32 ``[levels,E]``: a copy."""
        return torch.stack([router.usage for router in self._routers()])

    def follow_usage(self, gates: Tensor) -> None:
        """Move the running averages towards a step's mean gates, float32 ``[levels,E]``."""
        for router, mean in zip(self._routers(), gates, strict=True):
            router.follow(mean)

    def _routers(self) -> list[Router]:
        return [mixture.router for mixture in self.mixtures]  # type: ignore[misc]
