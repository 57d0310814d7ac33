"""An audit of data sets for people: text for a terminal, and one self-contained HTML page."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from decamo.data.audit import QUANTILES, SEVERITIES, Audit, AuditSummary, Copy, Finding, size_label
from decamo.report.page import escaped, page, table
from decamo.report.plan_text import epoch_rows

__all__ = [
    "audit_page",
    "audit_text",
]

_PER_KIND = 5
_IN_FULL = ("broken", "leak")
_SUPER_CLASSES = 6


def audit_text(audit: Audit) -> str:
    """Tables of what lies there, what its values mean, then the findings, worst first."""
    blocks = [_sets(audit), _sizes(audit), _meanings(audit)]
    blocks += [_findings(audit.findings), _verdict(audit)]
    return "\n\n".join(block for block in blocks if block)


def _sets(audit: Audit) -> str:
    header = [
        "data set",
        "split",
        "images",
        "masks",
        "pairs",
        "usable",
        "NonCAM",
        "median px",
        "MB",
    ]
    rows = []
    for s in audit.summaries:
        size = f"{s.widths[3]:.0f} x {s.heights[3]:.0f}" if s.widths else "-"
        counts = [str(n) for n in (s.images, s.masks, s.pairs, s.usable)]
        share = f"{s.noncam_share:.1%}"
        rows.append(
            [
                s.name,
                s.split,
                *counts,
                share,
                size,
                f"{s.bytes / 1e6:.1f}",
                _classes(s.super_classes),
            ]
        )
    return epoch_rows(header, rows)


def _classes(counts: Mapping[str, int]) -> str:
    first = list(counts.items())[:_SUPER_CLASSES]
    return ", ".join(f"{name} {count}" for name, count in first)


def _sizes(audit: Audit) -> str:
    labels = [size_label(i) for i in range(len(audit.summaries[0].sizes))]
    rows = [[f"{s.name} {s.split}", *map(str, s.sizes)] for s in audit.summaries]
    return epoch_rows(["object covers", *labels], rows)


def _meanings(audit: Audit) -> str:
    """What training decides that the files mean, in its own lines."""
    lines = []
    for meaning in audit.meanings:
        lines += [f"{meaning.split}: {line}" for line in meaning.lines]
        lines += [f"{meaning.split}: warning: {line}" for line in meaning.warnings]
    return "\n".join(map(_one_line, lines))


def _findings(findings: Sequence[Finding]) -> str:
    lines = []
    # what breaks a run or a score is named in full; the rest has --json and --html
    for group in _groups(findings, lambda severity: _PER_KIND * (severity not in _IN_FULL)):
        severity, kind = group.severity, group.kind
        name = severity if kind == severity else f"{severity}: {kind}"
        lines.append(f"{name}: {group.count}")
        lines += [f"  {_one_line(str(f.path))}: {_one_line(f.detail)}" for f in group.first]
        if group.count > len(group.first):
            lines.append(f"  and {group.count - len(group.first)} more")
    return "\n".join(lines)


@dataclass
class _Group:
    """Findings of one kind.

    Attributes:
        severity: of the kind.
        kind: its word.
        first: those that are shown.
        count: how many there are.
    """

    severity: str
    kind: str
    first: list[Finding] = field(default_factory=list)
    count: int = 0


def _groups(findings: Iterable[Finding], most: Callable[[str], int]) -> list[_Group]:
    """Findings by kind, worst first; of each the first ones, at most so many (0: all)."""
    groups: dict[tuple[str, str], _Group] = {}
    for finding in findings:
        key = finding.severity, finding.kind
        group = groups.setdefault(key, _Group(*key))
        group.count += 1
        if not most(key[0]) or group.count <= most(key[0]):
            group.first.append(finding)
    return sorted(groups.values(), key=lambda group: SEVERITIES.index(group.severity))


def _one_line(text: str) -> str:
    """A file's name may hold line breaks, escape codes or bytes that are no text."""
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return clean.encode("utf-8", "replace").decode()


def _verdict(audit: Audit) -> str:
    tally = Counter(audit.counts)
    if not audit.findings:
        return "nothing found amiss"
    return ", ".join(f"{tally[severity]} {severity}" for severity in SEVERITIES)


_MOST_ROWS = 200  # of one kind: a page of ten thousand rows is read by nobody; --json has them all
_MOST_COPIES = 100
_MOST_CLASSES = 12

_MEANING = {
    "broken": "cannot be read, or only in part, or do not fit",
    "leak": "one picture on both sides of a split: scores on it are too good",
    "warning": "rarely meant",
    "note": "read as documented; good to know",
}

_STYLE = """
.broken{color:var(--broken)}.leak{color:var(--leak)}.warning{color:var(--warning)}
.note{color:var(--note)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:1rem}
svg{width:100%;max-width:400px;height:auto;display:block}
svg text{fill:currentColor;font:12px system-ui,sans-serif}
svg rect{fill:var(--bar)}
.twins{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:1rem}
figure{border:1px solid var(--line);border-radius:.5rem;padding:.6rem}
figure div{display:flex;gap:.4rem}figure img{width:50%;object-fit:contain;min-width:0}
figcaption,li{overflow-wrap:anywhere;font-size:.875rem}
"""


def audit_page(audit: Audit, previews: Mapping[Path, str]) -> str:
    """The page: no script, no request to anywhere, readable on a phone and on paper.

    Args:
        audit: what was found.
        previews: a small JPEG, base64, of images that are copies; where one is missing its place
            says so.
    """
    roots = ", ".join(escaped(root) for root in audit.roots)
    parts = [
        f'<h1>Data audit</h1><p class="soft">{roots}</p>',
        _tiles(audit),
        "<h2>Data sets</h2>",
        _table(audit.summaries),
        _meanings_part(audit),
        _copies(audit.copies, previews),
        _findings_part(audit.findings),
        "<h2>What is in them</h2>",
        *map(_charts, audit.summaries),
    ]
    return page("Data audit", parts, _STYLE)


def _tiles(audit: Audit) -> str:
    tiles = "".join(
        f'<div class="tile"><b class="{severity}">{count}</b>{severity}'
        f'<br><span class="soft">{_MEANING[severity]}</span></div>'
        for severity, count in audit.counts.items()
    )
    return f'<div class="tiles">{tiles}</div>'


def _meanings_part(audit: Audit) -> str:
    """What training decides that the files mean."""
    lines = [
        f"<p{kind}>{escaped(f'{meaning.split}: {line}')}</p>"
        for meaning in audit.meanings
        for kind, said in (("", meaning.lines), (' class="warning"', meaning.warnings))
        for line in said
    ]
    return f"<h2>What their values mean</h2>{''.join(lines)}" if lines else ""


def _table(summaries: Sequence[AuditSummary]) -> str:
    heads = ("data set", "split", "images", "masks", "pairs", "usable", "NonCAM", "MB")
    rows = [
        [
            f"{escaped(s.name)}<br><span class='soft'>{escaped(s.place)}</span>",
            *(str(v) for v in (s.split, s.images, s.masks, s.pairs, s.usable)),
            f"{s.noncam} ({s.noncam_share:.1%})",
            f"{s.bytes / 1e6:.1f}",
        ]
        for s in summaries
    ]
    return table(heads, rows)


def _copies(copies: Sequence[Copy], previews: Mapping[Path, str]) -> str:
    if not copies:
        return "<h2>Copies</h2><p>No image occurs twice.</p>"
    figures = "".join(_twins(copy, previews) for copy in copies[:_MOST_COPIES])
    more = f"<p>and {len(copies) - _MOST_COPIES} more</p>" if len(copies) > _MOST_COPIES else ""
    return f'<h2>Copies</h2><div class="twins">{figures}</div>{more}'


def _twins(copy: Copy, previews: Mapping[Path, str]) -> str:
    pictures = "".join(_picture(path, previews) for path in (copy.left, copy.right))
    word = '<b class="leak">leak</b>' if copy.leak else '<b class="warning">copy</b>'
    measures = f"{copy.bits} of 64 hash bits differ, correlation {copy.correlation:.3f}"
    return (
        f"<figure><div>{pictures}</div><figcaption>{word} {copy.how}; {measures}<br>"
        f"{escaped(copy.left_place)}: {escaped(copy.left.name)}<br>"
        f"{escaped(copy.right_place)}: {escaped(copy.right.name)}</figcaption></figure>"
    )


def _picture(path: Path, previews: Mapping[Path, str]) -> str:
    if path not in previews:
        return "<p class='soft'>no picture</p>"
    return f'<img alt="{escaped(path.name)}" src="data:image/jpeg;base64,{previews[path]}">'


def _findings_part(findings: Sequence[Finding]) -> str:
    if not findings:
        return "<h2>Findings</h2><p>Nothing found amiss.</p>"
    parts = ["<h2>Findings</h2>"]
    for group in _groups(findings, lambda _: _MOST_ROWS):
        severity = group.severity
        items = "".join(f"<li>{escaped(f.path)}: {escaped(f.detail)}</li>" for f in group.first)
        if group.count > _MOST_ROWS:
            items += f"<li>and {group.count - _MOST_ROWS} more</li>"
        name = "" if group.kind == severity else f" {group.kind}"
        opened = " open" if severity in _IN_FULL or group.count <= 5 else ""
        parts.append(
            f'<details{opened}><summary><b class="{severity}">{severity}</b>{name}:'
            f" {group.count}</summary><ul>{items}</ul></details>"
        )
    return "\n".join(parts)


def _charts(summary: AuditSummary) -> str:
    sizes = {size_label(i): count for i, count in enumerate(summary.sizes)}
    charts = [_bars("share of the image that the object covers", sizes)]
    if summary.super_classes:
        charts.append(_bars("super classes", summary.super_classes))
        first = dict(list(summary.sub_classes.items())[:_MOST_CLASSES])
        more = len(summary.sub_classes) - len(first)
        charts.append(_bars("sub classes" + f" (the first {len(first)})" * (more > 0), first))
    heads = ["", *(f"{q:.0%}" for q in QUANTILES)]
    rows = [
        ["width, px", *(f"{v:.0f}" for v in summary.widths)],
        ["height, px", *(f"{v:.0f}" for v in summary.heights)],
        ["megapixels", *(f"{v:.2f}" for v in summary.megapixels)],
    ]
    name = f"{escaped(summary.name)} {summary.split}"
    return f'<h3>{name}</h3><div class="charts">{"".join(charts)}</div>{table(heads, rows)}'


def _bars(title: str, counts: Mapping[str, int]) -> str:
    """A histogram as lying bars, in SVG."""
    highest = max(counts.values(), default=0) or 1
    rows = []
    for index, (name, count) in enumerate(counts.items()):
        y = 4 + 20 * index
        width = 150 * count / highest
        rows.append(
            f'<text x="104" y="{y + 12}" text-anchor="end">{escaped(name)}</text>'
            f'<rect x="110" y="{y}" width="{width:.1f}" height="15" rx="2"/>'
            f'<text x="{116 + width:.1f}" y="{y + 12}">{count}</text>'
        )
    height = 8 + 20 * len(counts)
    return (
        f'<div><p class="soft">{title}</p><svg viewBox="0 0 310 {height}" role="img"'
        f' aria-label="{title}">{"".join(rows)}</svg></div>'
    )
