"""Several looks at one image: mirrored, magnified, and averaged."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from decamo.errors import SettingsError

__all__ = ["Views", "seen_through"]


@dataclass(frozen=True)
class Views:
    """What of an image a network is shown; its maps are averaged.

    Each view costs a forward pass, a magnified one more than that, by the square of its scale.

    Attributes:
        flips: each view also mirrored left and right.
        scales: magnifications of the square that the network was given. What is magnified is that
            square, not the file, so that every view knows the same pixels.
        closer: then a second look at the window around what was found, cut from the file itself,
            at the network's own size (:mod:`decamo.inference.closer`).

    Raises:
        SettingsError: no scale, one twice, or one beyond a quarter to four times.
    """

    flips: bool = False
    scales: tuple[float, ...] = (1.0,)
    closer: bool = False

    def __post_init__(self) -> None:
        if not self.scales:
            raise SettingsError("--scales", "no scale", "1 is the image as it is")
        for scale in self.scales:
            if not 0.25 <= scale <= 4:
                raise SettingsError("--scales", f"{scale:g}", "choose from 0.25 to 4")
        if len(set(self.scales)) < len(self.scales):
            raise SettingsError("--scales", "a scale is given twice", "give each once")

    @property
    def count(self) -> int:
        """Forward passes for an image."""
        return (len(self.scales) + self.closer) * (2 if self.flips else 1)

    def words(self) -> str:
        """In words, for protocols; ``none`` for the image as it is."""
        parts = ["flip"] if self.flips else []
        if self.scales != (1.0,):
            parts.append("scales " + " ".join(f"{scale:g}" for scale in self.scales))
        if self.closer:
            parts.append("closer look")
        return ", ".join(parts) or "none"


def seen_through(views: Views, see: Callable[[Tensor, float], Tensor], image: Tensor) -> Tensor:
    """The logits of the mean probability of a network over the views of a batch.

    Probabilities are averaged, not logits: where views disagree the mean of probabilities says how
    often an object is seen there, and one view that is very sure does not outvote the others.

    Args:
        views: of each image.
        see: normalised float ``[B,3,S,S]`` and a scale -> logits ``[B,1,S,S]``; the network
            magnifies by itself.
        image: float ``[B,3,S,S]``, normalised.

    Returns:
        float32 ``[B,1,S,S]``; of one view exactly the network's own logits.
    """
    found = []
    for scale in views.scales:
        for mirrored in (False, True) if views.flips else (False,):
            logits = see(image.flip(-1) if mirrored else image, scale).float()
            found.append(logits.flip(-1) if mirrored else logits)
    if len(found) == 1:
        return found[0]
    seen = torch.stack(found)
    # The logit of a mean is the difference of two logarithms; each keeps the digits of its tail.
    return F.logsigmoid(seen).logsumexp(0) - F.logsigmoid(-seen).logsumexp(0)
