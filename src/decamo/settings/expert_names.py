"""Experts by name: the built-in kinds, and those that somebody registers."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from decamo.errors import SettingsError

__all__ = [
    "EXPERT_KINDS",
    "check_experts",
    "expert_name",
    "expert_turns",
    "register_expert",
    "registered_expert",
]

# In the order in which --num-experts takes them; the n-th turn of a kind looks at a larger scale.
EXPERT_KINDS = (
    "texture",
    "global context",
    "contrast",
    "frequency",
    "edges",
    "wide texture",
    "strips",
)
_WORD = re.compile(r"[a-z][a-z0-9 _-]*")
_REGISTERED: dict[str, Callable[[int], Any]] = {}


def register_expert(name: str, build: Callable[[int], Any]) -> None:
    """Register a kind of expert of your own, for ``experts=[..., NAME]`` in Python.

    A checkpoint keeps the name alone: whoever loads it registers the kind first. Kinds are found by
    name, so that another one moves none of those that are there.

    Args:
        name: lower-case words, none of the built-in kinds.
        build: called with the channels d; gives a ``torch.nn.Module`` that maps ``[B,d,h,w]`` to
            the same shape, each image by itself. Its initial weights come from torch's global
            generator.

    Raises:
        SettingsError: the name is a built-in kind's, or is no word.

    Example:
        >>> import torch
        >>> decamo.register_expert("pointwise", lambda d: torch.nn.Conv2d(d, d, 1))
        >>> laid = decamo.plan(images=80, experts=["texture", "pointwise"])
        >>> laid.resumption.kind.value
        'start'
    """
    if name in EXPERT_KINDS or not _WORD.fullmatch(name):
        raise SettingsError(
            name or "name", "cannot name an expert", "choose lower-case words of your own"
        )
    _REGISTERED[name] = build


def registered_expert(name: str, what: object = "--experts") -> Callable[[int], Any]:
    """What was registered under a name.

    Args:
        name: of the kind.
        what: flag or file that asks for it, for the error.

    Raises:
        SettingsError: nothing of that name.
    """
    if name not in _REGISTERED:
        known = ", ".join((*EXPERT_KINDS, *_REGISTERED))
        raise SettingsError(
            what,
            f"there is no expert {name!r}",
            f"choose among {known}, or call decamo.register_expert({name!r}, ...) first",
        )
    return _REGISTERED[name]


def check_experts(names: Sequence[str]) -> None:
    """Look whether every name is one of a kind.

    Raises:
        SettingsError: one is not.
    """
    for name in names:
        if name not in EXPERT_KINDS:
            registered_expert(name)


def expert_turns(names: Sequence[str], count: int) -> list[tuple[str, int]]:
    """Each expert's kind, and how many of its kind came before it.

    Args:
        names: of the kinds; empty for the built-in ones in turn.
        count: how many experts, where there are no names.
    """
    kinds = names or [EXPERT_KINDS[index % len(EXPERT_KINDS)] for index in range(count)]
    seen: Counter[str] = Counter()
    turns = []
    for kind in kinds:
        turns.append((kind, seen[kind]))
        seen[kind] += 1
    return turns


def expert_name(index: int, names: Sequence[str] = ()) -> str:
    """What the expert of that index is called, from 0: ``texture``; later ``texture, scale 2``.

    Args:
        index: from 0.
        names: of the network's experts; empty for the built-in kinds in turn.
    """
    kind, turn = expert_turns(names, index + 1)[index]
    return kind + (f", scale {turn + 1}" if turn else "")
