"""What of the speed does not drift: operations, parameters, memory and waits, held to limits.

The limits are on what the network adds to its backbone, for each pixel of an image: that hardly
depends on the backbone, so that a small one tells as much as a large one, and sooner.
"""

from dataclasses import dataclass

import torch

from benchmarks.host_waits import HostWaits
from benchmarks.speed_network import NetworkTerms, bare_answer, own_answer
from decamo.data.dataset import Batch
from decamo.losses import Criterion
from decamo.nn.cost import measure_cost
from decamo.training.dry_run import bytes_kept
from decamo.training.optimizer_groups import build_optimizer
from decamo.training.runtime import Runtime
from decamo.training.state import Ema, GuardedScaler
from decamo.training.step import Stepper

__all__ = ["Limit", "check_limits", "waits_of_a_step"]

# Each is about a twentieth above what was counted with seven experts on edgenext_base at 384 px. A
# backbone of wider levels has larger laterals, an image below 160 px more border to its cells.
MAX_FLOP, MAX_PARAMETERS, MAX_BYTES = 11_300, 350_000, 290
# The loss and the norm of the gradient, read together, by which the step is taken or skipped.
MAX_WAITS = 1


@dataclass(frozen=True)
class Limit:
    """A number that must not grow.

    Attributes:
        what: it is.
        got: here and now.
        most: that it may be.
    """

    what: str
    got: float
    most: float

    @property
    def kept(self) -> bool:
        """Whether it has not grown."""
        return self.got <= self.most


def check_limits(terms: NetworkTerms) -> list[Limit]:
    """Count; no clock is looked at, so that the answer is the same on a busy machine."""
    network, image, runtime = terms.build(), terms.image(), terms.runtime
    pixels = terms.img_size**2
    whole, bare = (measure_cost(m, terms.img_size) for m in (network, network.backbone))
    kept = bytes_kept(network, lambda: own_answer(network, image, runtime))
    kept -= bytes_kept(network, lambda: bare_answer(network, image, runtime))
    waits = waits_of_a_step(terms)
    return [
        Limit("FLOP a pixel, forward", (whole.flops - bare.flops) / pixels, MAX_FLOP),
        Limit("parameters", whole.parameters - bare.parameters, MAX_PARAMETERS),
        Limit("bytes a pixel kept by training", kept / pixels / terms.batch_size, MAX_BYTES),
        Limit("waits for the device in an optimizer step", waits, MAX_WAITS),
    ]


def waits_of_a_step(terms: NetworkTerms, micro_batches: int = 1) -> int:
    """How often one optimizer step makes the host wait for the device.

    What the backbone does, which is timm's, does not count.
    """
    network = terms.build()
    optimizer = build_optimizer(network, 0.0)
    runtime = Runtime(terms.runtime.device)
    stepper = Stepper(
        model=network,
        criterion=Criterion(deep_supervision=True),
        optimizer=optimizer,
        scaler=GuardedScaler(enabled=True),
        ema=Ema(network, 0.9),
        runtime=runtime,
        clip_grad=1.0,
        side_outputs=True,
    )
    shape = (terms.batch_size, 3, terms.img_size, terms.img_size)
    image = torch.full(shape, 128, dtype=torch.uint8)
    batch = Batch(image, image[:, :1] // 128, ("",) * terms.batch_size)
    batches, images = [batch] * micro_batches, terms.batch_size * micro_batches
    stepper.step(batches, images)  # the optimizer makes its moments
    with HostWaits(lambda: [moments["step"] for moments in optimizer.state.values()]) as waits:
        stepper.step(batches, images)
    return sum(times for kind, times in waits.found.items() if " in timm." not in kind)
