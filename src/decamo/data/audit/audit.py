"""Folders -> everything that is to be known about the data sets in them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from decamo.data.audit.findings import (
    SEVERITIES,
    Copy,
    Finding,
    Shown,
    copy_findings,
    file_findings,
    find_copies,
    pair_findings,
)
from decamo.data.audit.inventory import Holding, take_inventory
from decamo.data.audit.look import FileFacts, look_at, preview
from decamo.data.audit.summary import QUANTILES, AuditSummary, size_label, summarize_holding
from decamo.data.audit.workers import Lost, Work, in_processes
from decamo.data.census import DIGITS, BadFile, Census, Entry, recorded
from decamo.data.deciding import apply_rules
from decamo.data.rules import Plane, ReadingRule
from decamo.data.survey import Sight
from decamo.data.wanted import ANYTHING, Wanted

__all__ = ["Audit", "SetMeaning", "audit_data", "previews"]


@dataclass(frozen=True)
class SetMeaning:
    """How the files of one split of a data set are read, as training decides it.

    Attributes:
        dataset: the set's name.
        split: ``train``, ``test``, ``val``, ``unclear`` or ``any``.
        rule: by which they are read.
        lines: what was decided, as training says it.
        warnings: what does not fit.
    """

    dataset: str
    split: str
    rule: ReadingRule
    lines: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_plain(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"rule": self.rule.to_plain()}


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        roots: the folders given.
        summaries: one for each split of each data set, in order of path.
        findings: worst first, then by kind and path.
        copies: images that occur more than once, leaks first.
        facts: of every file, by path.
        census: of the usable pairs; what training keeps as ``census.json``.
        meanings: what the values of each split of each set mean, in order of path.
    """

    roots: tuple[Path, ...]
    summaries: tuple[AuditSummary, ...]
    findings: tuple[Finding, ...]
    copies: tuple[Copy, ...]
    facts: Mapping[str, FileFacts] = field(repr=False)
    census: Census = field(repr=False)
    meanings: tuple[SetMeaning, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Findings by severity, worst first; every severity is there."""
        tally = Counter(finding.severity for finding in self.findings)
        return {severity: tally[severity] for severity in SEVERITIES}

    def to_plain(self) -> dict[str, Any]:
        """As JSON: numbers, findings, copies, and each file's facts without its thumbnail."""
        files = []
        for facts in self.facts.values():
            plain = asdict(facts)
            del plain["grid"], plain["thumb"], plain["values"], plain["numbers"]
            files.append(plain)
        return {
            "roots": [str(root) for root in self.roots],
            "counts": self.counts,
            "quantiles": QUANTILES,
            "size_bins": [size_label(i) for i in range(len(self.summaries[0].sizes))],
            "datasets": [asdict(s) | {"noncam_share": s.noncam_share} for s in self.summaries],
            "meanings": [meaning.to_plain() for meaning in self.meanings],
            "findings": [
                {"severity": f.severity, "kind": f.kind, "path": str(f.path), "detail": f.detail}
                for f in self.findings
            ],
            "copies": [asdict(copy) | _paths(copy) for copy in self.copies],
            "files": files,
        }


def audit_data(
    roots: Sequence[Path],
    *,
    workers: int,
    timeout_s: float = 60.0,
    look: Work = look_at,
    wanted: Wanted = ANYTHING,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Audit:
    """Look at every file of every data set below some folders.

    Files are decoded in other processes, one file at a time each, so that neither a decoder that
    crashes nor one that hangs ends the audit: the file is named and the rest goes on.

    Args:
        roots: folders of one or more data sets.
        workers: processes.
        timeout_s: longest time for one file.
        look: what a process does with a path and a role.
        wanted: what the user says of the data sets.
        on_progress: called after each file with (done, total).

    Raises:
        DataError: a root is no folder, or no data set lies below it.
    """
    inventory = take_inventory(roots, wanted)
    tasks = _tasks(inventory.holdings)
    answers = in_processes(
        look, tasks, workers=workers, timeout_s=timeout_s, on_progress=on_progress
    )
    facts = {
        path: _facts(path, role, answer)
        for (path, role), answer in zip(tasks, answers, strict=True)
    }
    findings = [*inventory.findings]
    shown: list[Shown] = []
    fitting: list[list[Entry]] = []
    entries: list[tuple[Entry, list[int]]] = []
    bad: list[BadFile] = []
    for holding in inventory.holdings:
        fits, misfits = _fitting(holding, facts)
        findings += misfits
        entries += fits
        fitting.append([entry for entry, _ in fits])
        bad += [
            BadFile(p.key, Path(f.path), f.reason)
            for p in holding.pairs
            for f in (facts[str(p.image)], facts[str(p.mask)])
            if f.fault
        ]
        shown += [Shown(facts[str(i)], holding.name, holding.split) for i in holding.images]
    meanings, ruled, all_void = _meanings(inventory.holdings, fitting)
    findings += [Finding("void-mask", path, "all of the mask is void") for path in all_void]
    findings += _by_file(facts, [entry for own in ruled for entry in own])
    summaries = [
        summarize_holding(holding, facts, own)
        for holding, own in zip(inventory.holdings, ruled, strict=True)
    ]
    copies = find_copies(shown)
    findings += copy_findings(copies)
    findings.sort(key=lambda f: (SEVERITIES.index(f.severity), f.kind, f.path, f.detail))
    return Audit(
        tuple(roots),
        tuple(summaries),
        tuple(findings),
        tuple(copies),
        facts,
        recorded(entries, bad),
        meanings,
    )


def previews(copies: Sequence[Copy], *, workers: int) -> dict[Path, str]:
    """A small JPEG, base64, of every image that is a copy; made in processes likewise."""
    paths = sorted({path for copy in copies for path in (copy.left, copy.right)})
    answers = in_processes(preview, [(str(path),) for path in paths], workers=workers)
    return {
        path: str(answer["jpeg"])
        for path, answer in zip(paths, answers, strict=True)
        if not isinstance(answer, Lost)
    }


def _tasks(holdings: Sequence[Holding]) -> list[tuple[str, str]]:
    tasks = {(str(path), "image"): None for holding in holdings for path in holding.images}
    tasks |= {(str(path), "mask"): None for holding in holdings for path in holding.masks}
    return list(tasks)


def _facts(path: str, role: str, answer: dict[str, Any] | Lost) -> FileFacts:
    if isinstance(answer, Lost):
        return FileFacts(path, role, fault="reader-died", reason=answer.reason)
    return FileFacts.from_plain(answer)


def _fitting(
    holding: Holding, facts: Mapping[str, FileFacts]
) -> tuple[list[tuple[Entry, list[int]]], list[Finding]]:
    fits, misfits = [], []
    for pair in holding.pairs:
        image, mask = facts[str(pair.image)], facts[str(pair.mask)]
        found = pair_findings(pair, image, mask)
        misfits += found
        if not (image.fault or mask.fault or found):
            height, width = image.shown
            stamp = [image.size, image.changed, mask.size, mask.changed]
            entry = Entry(
                pair,
                height,
                width,
                mask.foreground,
                image.sha256[:DIGITS],
                mask.sha256[:DIGITS],
                image.print,
                Sight.from_plain(pair.mask.name, [mask.values, image.numbers, image.flat]),
            )
            fits.append((entry, stamp))
    return fits, misfits


def _by_file(facts: dict[str, FileFacts], ruled: Sequence[Entry]) -> list[Finding]:
    """What is odd about each file; of masks by their set's rule, by which ``facts`` then are."""
    greys = set()
    for entry in ruled:
        mask = str(entry.pair.mask)
        facts[mask] = replace(facts[mask], foreground=entry.foreground)
        if entry.pair.rule.mask.plane is not Plane.EACH:
            greys.add(mask)  # have a meaning, and are no oddity
    return [
        finding
        for path, known in facts.items()
        for finding in file_findings(known)
        if finding.kind != "grey-mask" or path not in greys
    ]


def _meanings(
    holdings: Sequence[Holding], fitting: Sequence[Sequence[Entry]]
) -> tuple[tuple[SetMeaning, ...], list[list[Entry]], list[Path]]:
    """What the values of each split of each set mean, as training decides it.

    Returns:
        The meanings; the entries of each holding by them; and masks that are all void.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for number, holding in enumerate(holdings):
        groups.setdefault((holding.name, holding.split), []).append(number)
    meanings: list[SetMeaning] = []
    by_rule: dict[Path, Entry] = {}
    all_void: list[Path] = []
    for (name, split), numbers in groups.items():
        every = [
            replace(entry, pair=replace(entry.pair, dataset=name))
            for number in numbers
            for entry in fitting[number]
        ]
        if not every:
            continue
        ruled = apply_rules(Census(tuple(every), ()))
        by_rule |= {entry.pair.mask: entry for entry in ruled.census.entries}
        all_void += [bad.path for bad in ruled.census.bad]
        meanings.append(SetMeaning(name, split, ruled.rules[name], ruled.lines, ruled.warnings))
    entries = [
        [by_rule[entry.pair.mask] for entry in own if entry.pair.mask in by_rule] for own in fitting
    ]
    return tuple(meanings), entries, all_void


def _paths(copy: Copy) -> dict[str, str]:
    return {"left": str(copy.left), "right": str(copy.right)}
