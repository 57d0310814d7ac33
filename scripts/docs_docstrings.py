"""A griffe extension for ``make docs``: ``Example:`` is a section of code, not a remark."""

import re
from typing import Any

import griffe

_HEADING = re.compile(r"^( *)Example:$", re.MULTILINE)


class Examples(griffe.Extension):
    """Reads the heading as Google's plural, which griffe knows as a section of doctests."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each object once its docstring is read."""
        if obj.docstring is not None:
            obj.docstring.value = _HEADING.sub(r"\1Examples:", obj.docstring.value)
