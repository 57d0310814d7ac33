"""A report as JSON text, piece by piece, so that a long list in it need never be there at once."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from decamo.storage.spilled import Picked

__all__ = ["json_pieces"]


def json_pieces(value: Any, indent: str = "\n") -> Iterator[str]:
    """What ``json.dumps(value, indent=2, default=str)`` gives, in pieces.

    Args:
        value: in which a :class:`~decamo.storage.spilled.Picked` stands for a list.
        indent: the line break before what stands at this depth.
    """
    inner = f"{indent}  "
    if isinstance(value, Mapping) and value and all(isinstance(key, str) for key in value):
        before = "{"
        for key, held in value.items():
            yield f"{before}{inner}{json.dumps(key)}: "
            yield from json_pieces(held, inner)
            before = ","
        yield indent + "}"
    elif isinstance(value, list | tuple | Picked) and value and _is_nested(value):
        before = "["
        for held in value:
            yield before + inner
            yield from (
                _piece(held, inner) if isinstance(value, Picked) else json_pieces(held, inner)
            )
            before = ","
        yield indent + "]"
    else:
        yield from _piece([] if isinstance(value, Picked) else value, indent)


def _is_nested(value: Any) -> bool:
    kinds = Mapping, list, tuple, Picked
    return isinstance(value, Picked) or any(isinstance(held, kinds) for held in value)


def _piece(value: Any, indent: str) -> Iterator[str]:
    yield json.dumps(value, indent=2, default=str).replace("\n", indent)
