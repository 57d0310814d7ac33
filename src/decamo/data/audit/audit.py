"""Folders -> everything that is to be known about the data sets in them."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any

from decamo.data.audit.facts_table import FactsTable
from decamo.data.audit.finding_table import FindingTable
from decamo.data.audit.findings import (
    FULL,
    SEVERITIES,
    Copy,
    Finding,
    copy_findings,
    file_findings,
    find_copies,
)
from decamo.data.audit.inventory import Holding, Inventory, take_inventory
from decamo.data.audit.look import FileFacts, look_at, preview
from decamo.data.audit.summary import QUANTILES, AuditSummary, size_label, summarize_holding
from decamo.data.audit.usable_pairs import (
    Joined,
    ShownImages,
    UsableCache,
    UsablePairs,
    sort_pairs,
)
from decamo.data.audit.workers import Lost, Work, each_answer, in_processes
from decamo.data.census import BadFile, Census
from decamo.data.deciding import ruled_entry
from decamo.data.mask_forms import inverted_masks
from decamo.data.packed_names import PackedNames
from decamo.data.rules import Plane, ReadingRule
from decamo.data.survey import Sight, decide_rule
from decamo.data.wanted import ANYTHING, Wanted
from decamo.storage.spilled import Picked, Spilled, compact_places

__all__ = ["Audit", "SetMeaning", "audit_data", "previews"]

_INVERTED = "the object touches all edges and covers over half of it, unlike in its set"


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
    findings: Sequence[Finding]
    copies: tuple[Copy, ...]
    facts: Mapping[str, FileFacts] = field(repr=False)
    census: Census = field(repr=False)
    meanings: tuple[SetMeaning, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Findings by severity, worst first; every severity is there."""
        tally = (
            self.findings.counts
            if isinstance(self.findings, FindingTable)
            else Counter(finding.severity for finding in self.findings)
        )
        return {severity: tally[severity] for severity in SEVERITIES}

    def to_plain(self, *, later: bool = False) -> dict[str, Any]:
        """As JSON: numbers, findings, copies, and each file's facts without its thumbnail.

        Args:
            later: findings and files are no lists, but looked up when they are written.
        """
        findings = Picked.each(self.findings, _plain_finding)
        files = Picked.each(PackedNames(self.facts), lambda path: _plain_facts(self.facts[path]))
        return {
            "roots": [str(root) for root in self.roots],
            "counts": self.counts,
            "quantiles": QUANTILES,
            "size_bins": [size_label(i) for i in range(len(self.summaries[0].sizes))],
            "datasets": [asdict(s) | {"noncam_share": s.noncam_share} for s in self.summaries],
            "meanings": [meaning.to_plain() for meaning in self.meanings],
            "findings": findings if later else list(findings),
            "copies": [asdict(copy) | _paths(copy) for copy in self.copies],
            "files": files if later else list(files),
        }


def _plain_finding(one: Finding) -> dict[str, str]:
    path = str(one.path)
    return {"severity": one.severity, "kind": one.kind, "path": path, "detail": one.detail}


def _plain_facts(facts: FileFacts) -> dict[str, Any]:
    plain = asdict(facts)
    del plain["grid"], plain["thumb"], plain["values"], plain["numbers"]
    return plain


def audit_data(
    roots: Sequence[Path],
    *,
    workers: int,
    timeout_s: float = 60.0,
    look: Work = look_at,
    wanted: Wanted = ANYTHING,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    resume: Path | None = None,
    on_found: Callable[[int], None] = lambda known: None,
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
        resume: where what is known of each file is kept as it comes. What is there of files that
            are as they were is not looked at again. None: nowhere.
        on_found: called with the number of files that are known from there.

    Raises:
        DataError: a root is no folder, or no data set lies below it.
        SettingsError: ``resume`` is something else.
        StorageError: it cannot be written.
    """
    inventory = take_inventory(roots, wanted)
    facts = FactsTable(resume)
    known = facts.list(_tasks(inventory.holdings))
    on_found(known)
    tasks = ((path, path, role) for path, role in facts.pending())
    found = each_answer(look, tasks, workers=workers, timeout_s=timeout_s)
    for done, ((path, _, role), answer) in enumerate(found, start=known + 1):
        facts.put(_facts(path, role, answer))
        on_progress(done, len(facts))
    facts.save()
    audit = _audited(tuple(roots), inventory, facts)
    facts.settle()
    return audit


def _audited(roots: tuple[Path, ...], inventory: Inventory, facts: FactsTable) -> Audit:
    holdings = inventory.holdings
    findings = [*inventory.findings]
    usable: list[UsablePairs] = []
    bad: list[BadFile] = []
    for holding in holdings:
        own, misfits, own_bad = sort_pairs(holding, facts)
        usable.append(own)
        findings += misfits
        bad += own_bad
    meanings = _meanings(usable, facts)
    findings += [Finding("void-mask", path, "all of the mask is void") for path in meanings.void]
    findings += [Finding("inverted-mask", path, _INVERTED) for path in meanings.inverted]
    copies = find_copies(ShownImages(holdings, facts))
    every = chain(findings, _by_file(facts), copy_findings(copies))
    return Audit(
        roots,
        tuple(summarize_holding(own.holding, facts, own) for own in meanings.ruled),
        FindingTable(every),
        tuple(copies),
        facts,
        Census(Joined(usable), tuple(bad), UsableCache(usable)),
        tuple(meanings.said),
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


def _tasks(holdings: Sequence[Holding]) -> Iterator[tuple[str, str]]:
    yield from ((str(path), "image") for holding in holdings for path in holding.images)
    yield from ((str(path), "mask") for holding in holdings for path in holding.masks)


def _facts(path: str, role: str, answer: dict[str, Any] | Lost) -> FileFacts:
    if isinstance(answer, Lost):
        return FileFacts(path, role, fault="reader-died", reason=answer.reason)
    return FileFacts.from_plain(answer)


def _by_file(facts: FactsTable) -> Iterator[Finding]:
    """What is odd about each file; grey masks whose values have a meaning are no oddity."""
    for known, has_meaning in facts.each():
        for finding in file_findings(known):
            if finding.kind != "grey-mask" or not has_meaning:
                yield finding


@dataclass(frozen=True)
class _Meant:
    """What the values of each split of each set mean, as training decides it.

    Attributes:
        said: the meanings.
        ruled: usable pairs of each holding by them.
        void: masks of which all is void.
        inverted: masks whose object rather is the ground, unlike in most of their set; full ones,
            which have a finding of their own, apart.
    """

    said: list[SetMeaning]
    ruled: list[UsablePairs]
    void: list[Path]
    inverted: list[Path]


def _meanings(usable: Sequence[UsablePairs], facts: FactsTable) -> _Meant:
    groups: dict[tuple[str, str], list[int]] = {}
    for number, own in enumerate(usable):
        groups.setdefault((own.holding.name, own.holding.split), []).append(number)
    found = _Meant([], list(usable), [], [])
    for (name, split), numbers in groups.items():
        sights: Spilled[Sight] = Spilled()
        places = array("I")
        entries = Joined([usable[number] for number in numbers])
        for place, entry in enumerate(entries):
            if entry.sight is not None:
                sights.append(entry.sight)
                places.append(place)
        if not sights:
            continue
        decided = decide_rule(name, sights)
        warnings = (*decided.warnings, *decided.empty)
        found.said.append(SetMeaning(name, split, decided.rule, decided.lines, warnings))
        inverted = inverted_masks(Picked.each(sights, attrgetter("mask")), decided.rule.mask)
        suspects = (entries[places[n]] for n in inverted)
        found.inverted.extend(one.pair.mask for one in suspects if one.foreground < FULL)
        for number in numbers:
            found.ruled[number] = _ruled(usable[number], decided.rule, facts, found.void)
    return found


def _ruled(own: UsablePairs, rule: ReadingRule, facts: FactsTable, void: list[Path]) -> UsablePairs:
    """The pairs by the rule of their set, by which ``facts`` then are; adds to ``void``."""
    if rule.mask.plane is Plane.EACH:
        return own
    kept = array("I")
    for place, entry in zip(own.places, own, strict=True):
        by_rule = ruled_entry(entry, rule)
        if isinstance(by_rule, BadFile):
            void.append(by_rule.path)
        else:
            facts.set_share(str(entry.pair.mask), by_rule.foreground)
            kept.append(place)
    return own.by_rule(compact_places(kept))


def _paths(copy: Copy) -> dict[str, str]:
    return {"left": str(copy.left), "right": str(copy.right)}
