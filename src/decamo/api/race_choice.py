"""What a race is of, and where it runs: the choices that are no options of the run itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from decamo.cluster import OnRay, Share
from decamo.errors import SettingsError
from decamo.races import Branch, StartPoint, standard_branches
from decamo.races.branch import branches_of, only
from decamo.races.plateau import TRIAL_EPOCHS

__all__ = ["RaceChoice", "branches_in"]


@dataclass(frozen=True)
class RaceChoice:
    """What is raced, and for how long.

    Attributes:
        branches: a TOML file of branches that race instead of the standard ones.
        only: names of the branches that race, beside control and twin; empty for all.
        trial_epochs: of each branch.
        keep_all: whether the folders of all trials stay.
        on: where trials run: ``ray`` or ``ray:ADDRESS``; None for one by one in this process.
        share: what a trial reserves there.

    Raises:
        SettingsError: names the flag.
    """

    branches: Path | None = None
    only: Sequence[str] = ()
    trial_epochs: int = TRIAL_EPOCHS
    keep_all: bool = False
    on: OnRay | None = None
    share: Share = Share()

    def __post_init__(self) -> None:
        if self.trial_epochs < 1:
            raise SettingsError("--trial-epochs", f"got {self.trial_epochs}", "give at least 1")


def branches_in(choice: RaceChoice, start: StartPoint) -> tuple[Branch, ...]:
    """The branches that it names.

    Raises:
        SettingsError: the file cannot be read, or there is no branch of a name.
    """
    standard = standard_branches(start)
    if choice.branches is None:
        return only(standard, choice.only) if choice.only else standard
    own_ones = branches_of(choice.branches)
    if choice.only:
        taken = {b.name for b in own_ones}
        return only([*(b for b in standard if b.name not in taken), *own_ones], choice.only)
    return (*only(standard, ()), *own_ones)
