"""An audit of data sets for a terminal."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from decamo.data.audit import SEVERITIES, Audit, Finding, size_label
from decamo.report.plan_text import epoch_rows

__all__ = ["audit_text"]

_PER_KIND = 5
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
    groups: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.severity, finding.kind].append(finding)
    lines = []
    for (severity, kind), group in sorted(groups.items(), key=lambda g: SEVERITIES.index(g[0][0])):
        name = severity if kind == severity else f"{severity}: {kind}"
        lines.append(f"{name}: {len(group)}")
        # what breaks a run or a score is named in full; the rest has --json and --html
        shown = group if severity in ("broken", "leak") else group[:_PER_KIND]
        lines += [f"  {_one_line(str(f.path))}: {_one_line(f.detail)}" for f in shown]
        if len(group) > len(shown):
            lines.append(f"  and {len(group) - len(shown)} more")
    return "\n".join(lines)


def _one_line(text: str) -> str:
    """A file's name may hold line breaks, escape codes or bytes that are no text."""
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return clean.encode("utf-8", "replace").decode()


def _verdict(audit: Audit) -> str:
    tally = Counter(audit.counts)
    if not audit.findings:
        return "nothing found amiss"
    return ", ".join(f"{tally[severity]} {severity}" for severity in SEVERITIES)
