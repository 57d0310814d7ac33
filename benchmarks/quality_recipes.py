"""The networks of ``python -m benchmarks quality``, and the recipe that each is trained by."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from benchmarks.ablation_networks import build_changed
from benchmarks.quality_peers import PEERS, build_peer
from decamo.data.augment import Augmentation, draw_augmentation
from decamo.data.dataset import Draw
from decamo.errors import SettingsError
from decamo.nn import SegmentationNetwork, build_network, build_segmenter
from decamo.settings.network_names import network_spec
from decamo.settings.plain import merged
from decamo.training.prepare import Parts

__all__ = [
    "OURS",
    "OWN",
    "PROTOCOL",
    "Entry",
    "Recipe",
    "entries_of",
    "entry_of",
    "gentle_draw",
    "protocol_draw",
]


def protocol_draw(seed: int, epoch: int, index: int) -> Augmentation:
    """Flip, crop and brightness of :func:`decamo.data.augment.draw_augmentation`; nothing else."""
    drawn = draw_augmentation(seed, epoch, index)
    return Augmentation(flip=drawn.flip, crop=drawn.crop, brightness=drawn.brightness)


def gentle_draw(seed: int, epoch: int, index: int) -> Augmentation:
    """The usual augmentation with crops half-way to the whole image and half the turn.

    In ten epochs a network hardly fits what it is shown: it is given less variety to fit. Whether
    that helps by itself was not told apart from the recipe's other numbers.
    """
    drawn = draw_augmentation(seed, epoch, index)
    top, left, height, width = drawn.crop
    crop = (top / 2, left / 2, (1 + height) / 2, (1 + width) / 2)
    return replace(drawn, crop=crop, angle=drawn.angle / 2)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained, beyond what all share.

    Attributes:
        name: for people.
        draw: how images are augmented.
        settings: sections of :class:`decamo.settings.TrainSettings` with other values than the
            comparison's.
        size: side of the square that is read of a photograph, in sides of the comparison's; above 1
            it sees pixels of the file that the others do not.
    """

    name: str
    draw: Draw
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    size: float = 1.0


# Weighted cross-entropy and IoU alone, with the augmentation that every toolbox of the field has.
PROTOCOL = Recipe(
    "protocol",
    protocol_draw,
    settings={"optimise": {"loss_weights": ["boundary=0", "side=0", "balance=0"]}},
)

# All of this project's own loss, on the same data for the same epochs. Nothing in our network
# depends on the other images of a batch, so two images make a step, and the rates are lower with
# them: four times as many steps are what a short training lacks most.
OWN = Recipe(
    "own",
    gentle_draw,
    settings={
        "schedule": {"batch_size": 2, "stage2_lr": 0.0004, "backbone_lr_ratio": 0.3},
        "model": {"zoom": 1.5},
        "optimise": {
            "deep_supervision": True,
            "use_ema": True,
            "ema_decay": 0.995,
            "multi_scale": [0.78, 1.0, 1.22],
        },
    },
)


# What was learned since: one expert does as well as seven, and cross-entropy and outline make a
# network shy. Whether a second look pays is the question: a glance at the comparison's size, and a
# window of a photograph thrice as large.
FOVEA = replace(
    OWN,
    name="fovea",
    settings=merged(
        OWN.settings,
        {
            "model": {"zoom": 1.0, "fovea": 1 / 3},
            "optimise": {"loss_weights": ["bce=0", "boundary=0"]},
        },
    ),
    size=3.0,
)

# The same without a second look, at somewhat more operations: the square itself is enlarged.
ZOOM = replace(
    FOVEA,
    name="zoom",
    settings=merged(FOVEA.settings, {"model": {"zoom": 1.5, "fovea": 1.0}}),
    size=1.0,
)

# And with as many of the file's own pixels in place of the enlargement.
NATIVE = replace(
    ZOOM,
    name="native",
    settings=merged(ZOOM.settings, {"model": {"zoom": 1.0}}),
    size=1.5,
)

# A network scores best on squares somewhat larger than those it was trained with (the "FixRes"
# effect, https://arxiv.org/abs/1906.06423): two of three steps see smaller ones, which are cheaper.
LARGE = replace(
    NATIVE,
    name="large",
    settings=merged(NATIVE.settings, {"optimise": {"multi_scale": [0.73, 0.91, 1.09]}}),
    size=11 / 6,
)


@dataclass(frozen=True)
class Entry:
    """A network that takes part.

    Attributes:
        name: for people, and for flags.
        recipe: it is trained by.
        peer: of :data:`PEERS`; empty for our own network.
        network: as ``decamo train --network`` names it; empty for our own and for a peer.
        experts: of our own network, at each level.
        change: of :data:`benchmarks.ablation_networks.CHANGES`; empty for none.
        teacher: the network that it follows, trained with the same seed; None for none.
    """

    name: str
    recipe: Recipe
    peer: str = ""
    network: str = ""
    experts: int = 1
    change: str = ""
    teacher: "Entry | None" = None

    @property
    def build(self) -> Callable[..., SegmentationNetwork]:
        """Called as :func:`decamo.nn.build_segmenter` is."""
        if self.network:
            return build_network
        if self.peer:
            return partial(build_peer, self.peer)
        return partial(build_changed, self.change) if self.change else build_segmenter

    @property
    def parts(self) -> Parts:
        """What its run is put together from."""
        return Parts(self.build, self.recipe.draw)

    @property
    def scales(self) -> Sequence[float]:
        """At which its recipe trains it."""
        return self.recipe.settings.get("optimise", {}).get("multi_scale", (1.0,))

    @property
    def slug(self) -> str:
        """Its name in a file's name."""
        return re.sub(r"[^a-z0-9-]+", "-", self.name.lower().replace("+", "p"))


OURS = {
    entry.name: entry
    for entry in (
        Entry("decamo-7", PROTOCOL, experts=7),
        Entry("decamo-1", PROTOCOL, experts=1),
        Entry("decamo-own", OWN, experts=7),
        Entry("decamo-fovea", FOVEA, experts=1),
        Entry("decamo-zoom", ZOOM, experts=1),
        Entry("decamo-native", NATIVE, experts=1),
        Entry("decamo-large", LARGE, experts=1),
        Entry("decamo-dense", ZOOM, experts=1, change="dense block"),
    )
}
"""Our own network: by the common recipe, by its own of before, by that of now, which looks twice.

By the latter also with one look: at the square enlarged, with an expert or with a dense block, and
at as large a square of the file's own pixels, or a larger one.
"""


def entry_of(name: str) -> Entry:
    """The entry of a name, of :data:`PEERS` or :data:`OURS`."""
    return OURS[name] if name in OURS else Entry(name, PROTOCOL, peer=name)


def entries_of(names: Sequence[str], networks: Sequence[str] = ()) -> list[Entry]:
    """The entries of these names, each once.

    Args:
        names: of :data:`PEERS` and :data:`OURS`.
        networks: any others, as ``decamo train --network`` names them.

    Raises:
        SettingsError: no name is given at all, or a network's name has none of the known forms.
    """
    if not names and not networks:
        known = " ".join([*PEERS, *OURS])
        raise SettingsError("--peers", "no network is left to train", f"name some of {known}")
    others = {text: str(network_spec(text)) for text in networks}
    return [
        *(entry_of(name) for name in dict.fromkeys(names)),
        *(Entry(name, PROTOCOL, network=text) for text, name in others.items()),
    ]
