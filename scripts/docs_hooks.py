"""Hooks of ``make docs``: docstrings carry reST roles, the site is Markdown."""

import re
from typing import Any

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):<code>~?([^<]+)</code>")

_BLOCK_FOLLOWS = re.compile(r"(?:<p>::</p>|(?<=:):</p>)\s*(?=<div class=\"highlight\"|<pre)")


def on_page_content(html: str, **_: Any) -> str:
    """Roles such as ``:class:`` give way to the name, the ``::`` before a block to nothing."""
    html = _BLOCK_FOLLOWS.sub(lambda match: "</p>" if match[0][0] == ":" else "", html)
    return _ROLE.sub(lambda match: f"<code>{match[1].rpartition('.')[2]}</code>", html)
