"""Where each expert fires: a picture of each image, and its figures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from decamo.errors import SettingsError
from decamo.inference.inputs import Item
from decamo.inference.loaded import Loaded
from decamo.settings.words import level_name

if TYPE_CHECKING:  # torch: decisions/0007
    from decamo.nn.expert_recorders import ActivationRecorder, Firing

__all__ = ["ExpertSheets", "expert_sheets"]


@dataclass(frozen=True)
class ExpertSheets:
    """What draws the experts of a network.

    Attributes:
        watch: listens to them within its block.
    """

    watch: "ActivationRecorder"
    _write: Callable[..., None]
    _entropy: Callable[..., Any]

    def draw(
        self,
        item: Item,
        image: npt.NDArray[np.uint8],
        probability: npt.NDArray[np.float32],
        firing: "Firing",
    ) -> tuple[dict[str, Any], ...]:
        """Write the sheet of an image; returns the figures of each level.

        Raises:
            StorageError: it cannot be written.
        """
        self._write(item.sheet, item.image.name, image, probability, firing)
        return tuple(_told(firing, self._entropy(firing.gates).tolist()))


def expert_sheets(loaded: Loaded) -> ExpertSheets:
    """What draws the experts of a network.

    Raises:
        SettingsError: it has none.
    """
    # torch and matplotlib, for the sheets alone: decisions/0007
    from decamo.nn.expert_recorders import ActivationRecorder, entropy_share
    from decamo.report.run_gallery import write_experts

    if not loaded.model.usage().numel():
        raise SettingsError("--experts", f"{loaded.model.title} has none", "leave the flag out")
    return ExpertSheets(ActivationRecorder(loaded.model), write_experts, entropy_share)


def _told(firing: "Firing", entropies: Sequence[float]) -> list[dict[str, Any]]:
    """Of each level: the entropy of its gates, and of each expert its gate and mean strength."""
    return [
        {
            "level": level_name(level),
            "entropy": entropies[level],
            "gates": dict(zip(firing.names, map(float, gates), strict=True)),
            "strength": {
                n: float(one.mean()) for n, one in zip(firing.names, strength, strict=True)
            },
        }
        for level, (gates, strength) in enumerate(zip(firing.gates, firing.strength, strict=True))
    ]
