"""What all HTML pages share: one file, no script, no request to anywhere; light, dark and paper."""

import html
from collections.abc import Container, Sequence

__all__ = ["STYLE", "escaped", "page", "plot", "table"]

_LIGHT = (
    "--ink:#1b2420;--soft:#56635c;--line:#d5ddd8;--paper:#fbfcfa;--card:#f2f5f1;"
    "--broken:#b3261e;--leak:#9a3b8f;--warning:#8a5a00;--note:#47635a;--good:#1f6b3d;"
    "--bar:#4f7d5c;--s1:#1f7a4d;--s2:#b8561b;--s3:#2a6cab;--s4:#8b4fa3;--s5:#6f6a1e;--s6:#a5325a"
)
_DARK = (
    "--ink:#e4ebe6;--soft:#a3b3aa;--line:#35403a;--paper:#141a17;--card:#1c2420;"
    "--broken:#ff8a80;--leak:#e5a0dc;--warning:#e6b455;--note:#a9c7bb;--good:#7fd3a0;"
    "--bar:#7fb08d;--s1:#6cc795;--s2:#f0985c;--s3:#7db7ec;--s4:#cd9be3;--s5:#cfc76a;--s6:#f08bad"
)

STYLE = (
    ":root{color-scheme:light dark;" + _LIGHT + "}"
    "@media screen and (prefers-color-scheme:dark){:root{" + _DARK + "}}"
    """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;padding:1rem;max-width:62rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif;overflow-wrap:break-word}
h1{font-size:1.5rem;margin:.2rem 0;overflow-wrap:anywhere;line-height:1.25}
h2{font-size:1.2rem;margin:2rem 0 .5rem}
h3{font-size:1rem;margin:1rem 0 .3rem}p{margin:.3rem 0}.soft{color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);font-size:.875rem;padding:.2rem 0}
th,td{text-align:right;padding:.2rem .6rem;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600;vertical-align:bottom}th:first-child,td:first-child{padding-left:0}.text{text-align:left}
.tiles{display:flex;flex-wrap:wrap;gap:.6rem}
.tile{flex:1 1 8rem;border:1px solid var(--line);border-radius:.5rem;padding:.5rem .8rem}
.tile b{display:block;font-size:1.6rem;line-height:1.3;font-variant-numeric:tabular-nums}
figure{margin:0;break-inside:avoid}
ul{padding-left:1.1rem;margin:.3rem 0}summary{cursor:pointer}
@media print{:root{--paper:#fff}body{max-width:none;padding:0;font-size:10.5pt}
h2,h3{break-after:avoid}
details::details-content{display:block;content-visibility:visible}
tr,li,summary{break-inside:avoid}section>.wide{break-inside:avoid}}
"""
)


def page(title: str, body: Sequence[str], style: str = "") -> str:
    """A whole page.

    Args:
        title: plain text.
        body: pieces of HTML.
        style: CSS beyond ``STYLE``.
    """
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{escaped(title)}</title><style>{STYLE}{style}</style></head><body>",
            *(piece for piece in body if piece),
            "</body></html>\n",
        ]
    )


def escaped(value: object, *, lines: bool = False) -> str:
    """Any value as text that cannot be markup, without control codes or reversed writing.

    Args:
        value: its ``str`` is shown.
        lines: whether line breaks stay.
    """
    kept = "\n" if lines else ""
    clean = (c if c.isprintable() or c in kept else "\N{REPLACEMENT CHARACTER}" for c in str(value))
    return html.escape("".join(clean))


def plot(title: str, legend: str, picture: str, kind: str = "") -> str:
    """A chart with its title above it.

    Args:
        title: plain text.
        legend: HTML beside the title.
        picture: the chart, SVG.
        kind: further classes of the figure, a blank before each.
    """
    return (
        f'<figure class="plot{kind}"><figcaption><b>{escaped(title)}</b>'
        f'<span class="keys">{legend}</span></figcaption>{picture}</figure>'
    )


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str = "",
    texts: Container[int] = (0,),
) -> str:
    """A table that scrolls by itself where it is too wide.

    Args:
        heads: of the columns; HTML, as the cells and the caption.
        rows: cells.
        caption: what the table tells; empty for none.
        texts: columns of words, not numbers.
    """
    sides = [' class="text"' if n in texts else "" for n in range(len(heads))]
    named = f"<caption>{caption}</caption>" if caption else ""
    head = "".join(
        f'<th scope="col"{side}>{cell}</th>' for cell, side in zip(heads, sides, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(f"<td{s}>{c}</td>" for c, s in zip(row, sides, strict=True)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table>{named}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
