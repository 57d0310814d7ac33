"""A share of the work, so that several machines or jobs do it together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from decamo.errors import SettingsError

__all__ = ["WHOLE", "InputShard"]

T = TypeVar("T")


@dataclass(frozen=True)
class InputShard:
    """One share of several.

    Attributes:
        number: from 1 on.
        of: how many there are.
    """

    number: int = 1
    of: int = 1

    @staticmethod
    def parse(text: str) -> "InputShard":
        """``2/4`` -> the second of four.

        Raises:
            SettingsError: there is no such share.
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        shard = InputShard(*map(int, found.groups())) if found else InputShard(0, 0)
        if not 1 <= shard.number <= shard.of:
            raise SettingsError("--shard", f"got {text}", "give i/n, from 1/n to n/n")
        return shard

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Every ``of``-th item: all shares together are the whole, each item once."""
        return items[self.number - 1 :: self.of]

    def named(self, stem: str) -> str:
        """A name that no other share has; of the whole the stem itself."""
        return stem if self.of == 1 else f"{stem}-{self.number}-of-{self.of}"

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


WHOLE = InputShard()
