"""Whole checkpoints, for tests of what reads a part of one."""

from dataclasses import replace
from typing import Any

from decamo.checkpoint import Checkpoint
from decamo.storage.formats import upgraded
from tests.storage.format_1 import FILE, state_of_format_1


def checkpoint_with(**fields: Any) -> Checkpoint:
    """A tiny run of two epochs, with other values in the fields that are given."""
    plain = upgraded(FILE, state_of_format_1())
    return replace(Checkpoint.from_plain(plain), **fields)
