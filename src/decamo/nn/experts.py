"""The experts, seven kinds of evidence by which camouflage shows, and their mixture.

Each expert maps ``[B,d,h,w]`` to ``[B,d,h,w]``, is translation-equivariant up to its grid (global
context excepted) and looks at one image at a time. The projections into and out of an expert are
the mixture's, so what is here is only what makes a kind. Kinds have names, under which others are
registered; ``--num-experts`` takes the built-in ones in order of merit, the eighth expert being the
first kind again at the next scale.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from decamo.errors import ModelError
from decamo.settings.expert_names import EXPERT_KINDS, expert_name, expert_turns, registered_expert

__all__ = [
    "KINDS",
    "Contrast",
    "Edges",
    "FrequencySplit",
    "GlobalContext",
    "LocalTexture",
    "Mixture",
    "Router",
    "Strips",
    "local_mean",
    "make_expert",
]

SOBEL = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 4


class LocalTexture(nn.Module):
    """Local texture: a dense 3x3 convolution at one dilation."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """``[B,d,h,w]`` -> the same shape."""
        return F.gelu(self.conv(x))


class GlobalContext(nn.Module):
    """What the image holds elsewhere that resembles this position.

    Gathers the image into a few slots and hands each position its own blend of them: double
    attention (Chen et al., A2-Nets, NeurIPS 2018), linear in the number of positions.
    """

    def __init__(self, width: int, slots: int) -> None:
        super().__init__()
        self.assign = nn.Conv2d(width, 2 * slots, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``[B,d,h,w]`` -> the same shape."""
        flat = x.flatten(2)
        gather, hand_out = self.assign(x).flatten(2).chunk(2, dim=1)
        slots = torch.bmm(flat, gather.softmax(2).to(flat.dtype).transpose(1, 2))
        return torch.bmm(slots, hand_out.softmax(1).to(slots.dtype)).view_as(x)


class Contrast(nn.Module):
    """Centre against surround, in units of the surround's own variation.

    The mean absolute deviation stands in for the standard deviation: it needs no square, which
    half precision would overflow, and no square root, whose slope is infinite at 0.
    """

    def __init__(self, width: int, cell: int) -> None:
        super().__init__()
        self.cell = cell
        # Deviation below which a surround counts as flat; the input is normalized to about 1.
        self.floor = nn.Parameter(torch.full((width, 1, 1), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        """``[B,d,h,w]`` -> the same shape, about 1 in size."""
        surround = local_mean(x, self.cell)
        # The centre grows with the surround: with a point as the centre all scales look alike.
        centre = local_mean(x, self.cell // 4) if self.cell >= 8 else x
        deviation = local_mean((x - surround).abs(), self.cell)
        floor = self.floor.abs().to(x.dtype) + 0.01
        return (centre - surround) / (deviation + floor)


class FrequencySplit(nn.Module):
    """Half of the channels keep the low frequencies, half the magnitude of the high ones."""

    def __init__(self, width: int, cell: int) -> None:
        super().__init__()
        self.cell = cell
        self.low = width // 2
        self.mix = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``[B,d,h,w]`` -> the same shape."""
        smooth = local_mean(x, self.cell)
        rough = (x[:, self.low :] - smooth[:, self.low :]).abs()
        return F.gelu(self.mix(torch.cat((smooth[:, : self.low], rough), dim=1)))


class Edges(nn.Module):
    """Strength of edges: a learnable filter pair per channel that starts as Sobel's.

    The sum of absolute values measures the gradient; it is cheaper than the Euclidean norm and
    has a bounded slope everywhere.
    """

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.width = width
        self.conv = nn.Conv2d(
            width, 2 * width, 3, padding=dilation, dilation=dilation, groups=width, bias=False
        )
        with torch.no_grad():
            self.conv.weight.copy_(torch.stack((SOBEL, SOBEL.T)).repeat(width, 1, 1)[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """``[B,d,h,w]`` -> the same shape, not negative."""
        return self.conv(x).abs().unflatten(1, (self.width, 2)).sum(2)


class Strips(nn.Module):
    """Elongated structure: long thin depthwise kernels, one lying and one standing.

    Limbs, stalks and the outlines of bodies are long in one direction (strip pooling, Hou et
    al., CVPR 2020).
    """

    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        pad = length // 2
        self.lying = nn.Conv2d(width, width, (1, length), padding=(0, pad), groups=width)
        self.standing = nn.Conv2d(width, width, (length, 1), padding=(pad, 0), groups=width)

    def forward(self, x: Tensor) -> Tensor:
        """``[B,d,h,w]`` -> the same shape."""
        return F.gelu(self.lying(x) + self.standing(x))


def local_mean(x: Tensor, cell: int) -> Tensor:
    """A smooth mean around each position, at a price that does not grow with the window.

    Means over windows of ``2 cell`` on a grid of ``cell``, read between the grid's points
    bilinearly; the border is continued outwards where the size is no multiple of ``cell``. Such
    a window weighs about as a triangle of ``4 cell`` positions does. A constant stays itself.

    Args:
        x: ``[B,C,h,w]``.
        cell: even, in positions; cut to the smaller side, where it gives the mean of a square.

    Returns:
        ``[B,C,h,w]``.
    """
    h, w = x.shape[-2:]
    traced = isinstance(h, torch.SymInt)  # an export for every size that holds a whole cell
    if not traced:
        side = min(h, w)
        cell = min(cell, side + side % 2)  # a larger one would average the continued border
    below, right = -h % cell, -w % cell
    uneven = traced or bool(below or right)
    whole = F.pad(x, (0, right, 0, below), mode="replicate") if uneven else x
    grid = F.avg_pool2d(whole, 2 * cell, cell, cell // 2, count_include_pad=False)
    fine = [side * cell for side in grid.shape[-2:]]
    smooth = F.interpolate(grid, size=fine, mode="bilinear", align_corners=False)
    return smooth[..., :h, :w] if uneven else smooth


# Kind and the scale of its n-th appearance (n from 0), in positions of its level. The two textures
# take the odd and the even dilations, so that no expert repeats another.
KINDS: dict[str, Callable[[int, int], nn.Module]] = {
    "texture": lambda width, n: LocalTexture(width, dilation=1 + 2 * n),
    "global context": lambda width, n: GlobalContext(width, slots=8 * (n + 1)),
    "contrast": lambda width, n: Contrast(width, cell=4 * 2**n),
    "frequency": lambda width, n: FrequencySplit(width, cell=2 * 2**n),
    "edges": lambda width, n: Edges(width, dilation=1 + n),
    "wide texture": lambda width, n: LocalTexture(width, dilation=2 + 2 * n),
    "strips": lambda width, n: Strips(width, length=9 + 4 * n),
}
assert tuple(KINDS) == EXPERT_KINDS


def make_expert(kind: str, turn: int, width: int) -> nn.Module:
    """An expert of a kind; the built-in ones look at a larger scale with each turn.

    Args:
        kind: a built-in one, or one that :func:`decamo.register_expert` has made known.
        turn: how many of the kind came before it.
        width: channels d, even.

    Raises:
        SettingsError: no such kind.
        ModelError: a registered one is no module, or changes the shape.
    """
    if kind in KINDS:
        return KINDS[kind](width, turn)
    expert = registered_expert(kind)(width)
    wanted = (1, width, 8, 8)
    got = type(expert).__name__
    if isinstance(expert, nn.Module):
        mode = expert.training
        with torch.no_grad(), torch.random.fork_rng(devices=()):
            seen = expert.eval()(torch.zeros(wanted))  # eval: running statistics stay as they are
        expert.train(mode)
        got = str(tuple(seen.shape)) if isinstance(seen, Tensor) else type(seen).__name__
        if got == str(wanted):
            return expert
    raise ModelError(
        f"expert {kind!r}",
        f"gives {got} for a map of {wanted}",
        "return a torch.nn.Module that keeps the shape [B,d,h,w]",
    )


# Share of the gates dealt out evenly, so that an expert nobody chose still learns, and can return.
FLOOR = 0.05
# The average looks back about 1 / (1 - momentum) optimizer steps.
MOMENTUM = 0.99


class Router(nn.Module):
    """Gates per image from the mean and the deviation of each channel.

    Attributes:
        usage: float32 ``[E]``, running average of the gates, even at first. It lets a balance
            term see the data set where the micro-batch is 1. :meth:`follow` moves it, once an
            optimizer step, so that it does not depend on how a step is cut into micro-batches.

    Args:
        width: channels C of the level.
        num_experts: number of experts E.
        temperature: above 1 evens the gates out, below 1 sharpens them.
    """

    usage: Tensor

    def __init__(self, width: int, num_experts: int, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature
        self.norm = nn.LayerNorm(2 * width)
        self.score = nn.Linear(2 * width, num_experts)
        nn.init.normal_(self.score.weight, std=0.01)  # all experts start about even
        nn.init.zeros_(self.score.bias)
        self.register_buffer("usage", torch.full((num_experts,), 1 / num_experts))

    def forward(self, x: Tensor) -> Tensor:
        """``[B,C,h,w]`` -> gates, float32 ``[B,E]``, each at least 0.05/E, rows sum to 1."""
        x = x.float()  # under autocast: a sum of squares over a level leaves the range of float16
        mean = x.mean((2, 3))
        variance = x.square().mean((2, 3)) - mean.square()
        deviation = (variance.clamp_min(0) + 1e-5).sqrt()
        scores = self.score(self.norm(torch.cat((mean, deviation), dim=1)))
        gates = (scores.float() / self.temperature).softmax(1)
        return (1 - FLOOR) * gates + FLOOR / gates.shape[1]

    @torch.no_grad()
    def follow(self, gates: Tensor) -> None:
        """Move the running average towards the mean gates of a step, float32 ``[E]``."""
        self.usage.lerp_(gates.to(self.usage), 1 - MOMENTUM)


class Mixture(nn.Module):
    """``x + sum_e gate_e W_e expert_e(P_e x)``, dense, image by image.

    All P_e are one 1x1 convolution. All W_e are one product with the gates multiplied into the
    weights of each image, which spares a pass over all expert channels. Nothing depends on
    which expert won, so there is no gather, no loop over images and no wait for the device.

    Args:
        width: channels C of the level.
        num_experts: number of experts E.
        expert_width: channels d inside an expert, even.
        kinds: of the experts by name; empty for the built-in ones in turn.

    Attributes:
        names: of the experts, for people.
    """

    def __init__(
        self, width: int, num_experts: int, expert_width: int, kinds: Sequence[str] = ()
    ) -> None:
        super().__init__()
        experts = expert_turns(kinds, num_experts)
        self.names = tuple(expert_name(index, kinds) for index in range(num_experts))
        self.router = Router(width, num_experts)
        self.enter = nn.Conv2d(width, num_experts * expert_width, 1)
        self.experts = nn.ModuleList(make_expert(*one, expert_width) for one in experts)
        # As though each expert stood alone (fan-in d): even gates then shrink the sum to 1/sqrt(E).
        leave = torch.randn(width, num_experts, expert_width) * expert_width**-0.5
        self.leave = nn.Parameter(leave)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``[B,C,h,w]`` -> the same shape, and gates float32 ``[B,E]``."""
        gates = self.router(x)
        entered = self.enter(x).chunk(len(self.experts), dim=1)
        seen = [expert(part) for expert, part in zip(self.experts, entered, strict=True)]
        evidence = torch.cat(seen, dim=1).flatten(2)
        weight = (gates[:, None, :, None] * self.leave).flatten(2)
        return x + torch.bmm(weight.to(evidence.dtype), evidence).view_as(x), gates
