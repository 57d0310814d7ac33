"""Any module that gives logits, as a network that is trained, resumed, raced and shipped."""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from decamo.errors import ModelError
from decamo.nn.decoder import magnified, magnified_side
from decamo.nn.foreign_levels import (
    LEVELS,
    LevelRecorder,
    Levels,
    backbone_module,
    find_backbone,
)
from decamo.nn.foreign_output import (
    auto_output,
    probabilities_in,
    read_answer,
    resized,
)
from decamo.nn.segmentation_network import Architecture, NetworkOutput, let_learn, normalized
from decamo.schedule.timeline import HEAD, backbone_group

__all__ = ["ForeignNetwork"]

_INSIDE = "net."  # before the names of its parameters
_MODES = {False: "evaluation", True: "training"}


class ForeignNetwork(nn.Module):
    """A network of others behind the protocol :class:`decamo.nn.SegmentationNetwork`.

    One image goes through it when it is made, in both modes, to learn what it returns and which
    parameter is how deep; nothing changes by that. Its BatchNorm follows the batches wherever its
    parameters learn, and keeps its statistics where they are frozen.

    Attributes:
        net: the foreign module, as it was given; its names and those of its ``state_dict`` are its
            own.
        prefix: attribute of ``net`` that is its backbone, or several with spaces between; empty
            for none.
        architecture: for the checkpoint.

    Args:
        net: takes float32 ``[B,3,H,W]`` and returns logits ``[B,1,h,w]`` or ``[B,2,h,w]``, alone or
            among others; on the CPU.
        architecture: what a checkpoint says of it; ``output`` and ``backbone_prefix`` are added.
        size: side in px of an image that it takes, for the look at it.
        output: index or name of the logits among what it returns; empty where it is clear.
        backbone_prefix: attribute that is the backbone; empty where it is to be found.
        mean: mean of the input channels, RGB in [0,1].
        std: standard deviation of the input channels, in the same unit.
        remarks: lines for whoever trains it.
        changed: that its source is another one than when the checkpoint was written; empty if not.

    Raises:
        ModelError: it does not take such an image, or it is not clear what its logits are.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        net: nn.Module,
        architecture: Architecture,
        *,
        size: int,
        output: str = "",
        backbone_prefix: str = "",
        mean: tuple[float, ...],
        std: tuple[float, ...],
        remarks: tuple[str, ...] = (),
        changed: str = "",
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        self.net = net
        self.prefix = find_backbone(net, backbone_prefix)
        self.changed = changed
        self._remarks = [*remarks, *([f"warning: {changed}"] if changed else [])]
        self._sizes = {size}
        self._checkpointing = False
        self.net.eval()
        with LevelRecorder(self._backbone()) as seen, torch.enable_grad():
            still = self._tried(size)
        self._levels = seen.levels(size * size) if self.prefix else Levels()
        moving = self._tried_in_training(size)
        self.output = auto_output((still, moving), output)
        # Some give probabilities in evaluation mode alone.
        self._probabilities = {False: probabilities_in(still), True: probabilities_in(moving)}
        answers = [read_answer(one, self.output) for one in (still, moving)]
        self._gives_sides = bool(answers[1].side)
        self._gives_auxiliary = answers[1].auxiliary is not None
        if modes := [word for mode, word in _MODES.items() if self._probabilities[mode]]:
            self._remarks.append(
                f"in {' and '.join(modes)} mode it ends in a sigmoid or softmax, which is undone:"
                " losses and scores take logits"
            )
        self.architecture: Architecture = architecture | {
            "backbone_prefix": self.prefix,
            "output": self.output,
            "input_mean": list(mean),
            "input_std": list(std),
        }
        self._learning: frozenset[str] = frozenset(self.groups())
        self.train()

    def forward(
        self, image: Tensor, side_outputs: bool = False, scale: float = 1.0
    ) -> NetworkOutput:
        """Predict; the logits have the image's size at every scale.

        Args:
            image: float32 ``[B,3,H,W]``, from :meth:`normalize`.
            side_outputs: also give what other maps it returns, each at its own size.
            scale: at which the network sees the image.
        """
        images, size = image.shape[0], (image.shape[-2], image.shape[-1])
        seen = magnified(image, scale)
        # BatchNorm over a single value for each channel is an error in torch: a last batch of one
        # image goes twice, which leaves the means as they are.
        twice = images == 1 and self.training and self._has_moving_norms()
        answer = read_answer(
            self.net(seen.repeat(2, 1, 1, 1) if twice else seen),
            self.output,
            self._probabilities[self.training],
        )
        return NetworkOutput(
            logits=resized(answer.logits[:images], size),
            side=tuple(one[:images] for one in answer.side) if side_outputs else (),
            gates=image.new_ones(0, images, 0),
            usage=self.usage(),
            auxiliary=answer.auxiliary if self.training else None,
        )

    def normalize(self, image: Tensor) -> Tensor:
        """Uint8 RGB ``[B,3,H,W]`` -> float32 of about zero mean and unit deviation.

        Raises:
            TypeError: the image is not uint8, so it may have been scaled before.
        """
        return normalized(image, self.mean, self.std)

    def groups(self) -> dict[str, dict[str, nn.Parameter]]:
        """Parameters by group: ``head``, and ``backbone.0`` (shallowest) to ``backbone.3``."""
        groups: dict[str, dict[str, nn.Parameter]] = {HEAD: {}}
        groups |= {backbone_group(level): {} for level in range(LEVELS)}
        own = f"{_INSIDE}{backbone_module(self.net, self.prefix)[1]}" if self.prefix else "\n"
        for name, parameter in self.named_parameters():
            level = self._levels.of.get(name.removeprefix(own)) if name.startswith(own) else None
            groups[HEAD if level is None else backbone_group(level)][name] = parameter
        return groups

    def set_learning(self, groups: Collection[str]) -> None:
        """Let exactly these groups learn; BatchNorm of a frozen level keeps its statistics.

        Raises:
            ValueError: there is no such group.
        """
        let_learn(self.groups(), groups)
        self._learning = frozenset(groups)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Training mode for all but the BatchNorm of frozen levels."""
        super().train(mode)
        for level, norm in self._norms_by_level():
            if backbone_group(level) not in self._learning:
                norm.eval()
        return self

    @property
    def gives_sides(self) -> bool:
        """Whether it returns more than one map in training mode."""
        return self._gives_sides

    @property
    def gives_auxiliary(self) -> bool:
        """Whether it returns a loss of its own in training mode."""
        return self._gives_auxiliary

    @property
    def title(self) -> str:
        """Its name, and its backbone's."""
        backbone = str(self.architecture.get("backbone") or self.prefix or "no backbone")
        return f"{self.architecture['network']} with {backbone}"

    def notes(self) -> list[str]:
        """What was found out about it, and what is done with it."""
        if not self.prefix:
            there = ", ".join(name for name, _ in self.net.named_children())
            return [
                "warning: no backbone was found, so all of it learns as the head from the first"
                f" step on; name one by --backbone-prefix: {there:.160}",
                *self._remarks,
            ]
        lines = [f"backbone {self.prefix}, in four groups {self._levels.how}"]
        if self.backbone_norms():
            lines[0] += "; its BatchNorm keeps its statistics while frozen, and follows the batches"
            lines[0] += " once it learns"
        return [*lines, *self._remarks]

    @property
    def gradient_checkpointing(self) -> bool:
        """Whether it recomputes activations in the backward pass."""
        return self._checkpointing

    @gradient_checkpointing.setter
    def gradient_checkpointing(self, enable: bool) -> None:
        if enable == self._checkpointing:
            return
        method = self._checkpointing_method()
        if method is None:
            self._remarks.append(
                "warning: --gradient-checkpointing saves nothing: the network has no method for it"
            )
            return
        method(enable)
        self._checkpointing = enable

    def check_size(self, size: int, scale: float = 1.0) -> None:
        """Try square images of ``size`` px at ``scale``, on the CPU.

        Raises:
            ModelError: it does not take them; names the nearest sizes that it does.
        """
        side = magnified_side(size, scale)
        if side in self._sizes:
            return
        mode = self.training
        self.eval()
        try:
            with torch.no_grad():
                self._tried(side)
        finally:
            self.train(mode)
        self._sizes.add(side)

    def backbone_norms(self) -> list[_BatchNorm]:
        """BatchNorm layers of the backbone that keep running statistics."""
        return [norm for _, norm in self._norms_by_level() if norm.track_running_stats]

    def usage(self) -> Tensor:
        """It has no experts: float32 ``[0,0]``."""
        return self.mean.new_ones(0, 0)

    def follow_usage(self, gates: Tensor) -> None:
        """There is nothing to follow."""

    def _backbone(self) -> nn.Module:
        return backbone_module(self.net, self.prefix)[0]

    def _norms_by_level(self) -> Iterator[tuple[int, _BatchNorm]]:
        if self.prefix:
            for name, module in self._backbone().named_modules():
                if isinstance(module, _BatchNorm):
                    yield self._levels.modules.get(name, LEVELS - 1), module

    def _has_moving_norms(self) -> bool:
        return any(m.training for m in self.net.modules() if isinstance(m, _BatchNorm))

    def _tried(self, side: int) -> Any:
        """What it returns in evaluation mode of a grey image."""
        device = self.mean.device
        try:
            return self.net(torch.zeros(1, 3, side, side, device=device))
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # whatever a foreign network makes of a size that it dislikes
            if "memory" in str(error):
                raise
            raise self._unfit(side, error) from error

    @torch.enable_grad()
    def _tried_in_training(self, side: int) -> Any:
        """What it returns in training mode; statistics and generators are as before afterwards."""
        before = {name: buffer.clone() for name, buffer in self.net.named_buffers()}
        with torch.random.fork_rng(devices=[]):
            self.net.train()
            try:
                return self.net(torch.zeros(2, 3, side, side))
            except Exception as error:
                raise ModelError(
                    "--network",
                    f"it fails in training mode at {side} px ({str(error) or type(error)!s:.160})",
                    "mend it; it is called with float32 images [B,3,H,W] alone",
                ) from error
            finally:
                for name, buffer in self.net.named_buffers():
                    if name in before:
                        buffer.copy_(before[name])
                self.net.eval()

    @torch.no_grad()
    def _unfit(self, side: int, error: Exception) -> ModelError:
        """That it takes no image of this side; tries for the sizes next to it that it takes."""
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        for step in (32, 64, 128, 256):
            near = (side - 1) // step * step, (side // step + 1) * step
            fit = [str(one) for one in near if one and self._takes(one)]
            if fit:
                remedy = f"give --img-size {' or '.join(fit)}"
                break
        else:
            remedy = "give the size that it is made for by --img-size"
        return ModelError(
            "--img-size", f"the network does not take {side} px images ({reason:.160})", remedy
        )

    def _takes(self, side: int) -> bool:
        try:
            self.net(torch.zeros(1, 3, side, side, device=self.mean.device))
        except Exception:  # as above
            return False
        return True

    def _checkpointing_method(self) -> Any:
        """A function of on or off, from whichever module has one; None where none has."""
        for module in self.net.modules():
            for word in ("activation", "gradient"):  # transformers from 5 on, and before
                on = getattr(module, f"{word}_checkpointing_enable", None)
                off = getattr(module, f"{word}_checkpointing_disable", None)
                if on is not None and off is not None:
                    return partial(_switched, on, off)
            if hasattr(module, "set_grad_checkpointing"):  # timm
                return module.set_grad_checkpointing
        return None


def _switched(on: Callable[[], Any], off: Callable[[], Any], enable: bool) -> None:
    (on if enable else off)()
