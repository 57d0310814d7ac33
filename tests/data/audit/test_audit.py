import json
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from decamo.data import census as census_module
from decamo.data.audit import SEVERITIES, Audit, audit_data, previews
from decamo.data.audit.inventory import take_inventory
from decamo.data.audit.look import look_at
from decamo.data.census import load_cache, save_cache, take_census
from decamo.data.layouts import find_pairs
from decamo.data.reading import read_pair
from decamo.errors import DataError, UnreadableImage
from tests.data.audit.malformed import Zoo, write_zoo


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return write_zoo(tmp_path_factory.mktemp("zoo") / "Zoo")


@pytest.fixture(scope="module")
def audit(zoo: Zoo) -> Audit:
    return audit_data([zoo.root], workers=2)


def test_every_malformed_file_is_named_and_nothing_else_is_said(zoo: Zoo, audit: Audit) -> None:
    said: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for finding in audit.findings:
        said[f"{finding.path.parent.name}/{finding.path.name}"].append(
            (finding.kind, finding.detail)
        )
    wrong = {}
    for name, expected in zoo.expected.items():
        got = said.pop(name, [])
        kinds = sorted(kind for kind, _ in got) == sorted(kind for kind, _ in expected)
        words = all(any(k == kind and w in detail for k, detail in got) for kind, w in expected)
        if not (kinds and words):
            wrong[name] = (expected, got)
    assert wrong == {}
    assert dict(said) == {}
    assert sum(1 for expected in zoo.expected.values() if expected) >= 100


def test_findings_come_worst_first(audit: Audit) -> None:
    ranks = [SEVERITIES.index(finding.severity) for finding in audit.findings]
    assert ranks == sorted(ranks)
    assert audit.counts["leak"] == 3
    assert sum(audit.counts.values()) == len(audit.findings)


def test_usable_pairs_are_those_that_training_reads(zoo: Zoo, audit: Audit) -> None:
    for entry in audit.census.entries:
        _, mask = read_pair(entry.pair)
        assert (entry.height, entry.width) == mask.shape
        assert entry.foreground == mask.mean()
    pairs = [pair for holding in take_inventory([zoo.root]).holdings for pair in holding.pairs]
    for bad in audit.census.bad:
        # Pillow forgives some cuts and flips; the audit does not
        if audit.facts[str(bad.path)].fault in ("not-an-image", "empty-file", "unreadable"):
            pair = next(p for p in pairs if p.key == bad.pair_key)
            with pytest.raises(UnreadableImage):
                read_pair(pair)


def test_json_holds_everything_but_thumbnails(audit: Audit) -> None:
    plain = json.loads(json.dumps(audit.to_plain()))
    assert len(plain["findings"]) == len(audit.findings)
    assert len(plain["files"]) == len(audit.facts)
    assert "thumb" not in plain["files"][0]
    assert plain["counts"] == audit.counts
    assert len(plain["datasets"][0]["sizes"]) == len(plain["size_bins"])


def test_previews_are_small_jpegs_of_every_copy(audit: Audit) -> None:
    pictures = previews(audit.copies, workers=1)
    assert set(pictures) == {p for c in audit.copies for p in (c.left, c.right)}
    assert all(jpeg.startswith("/9j/") for jpeg in pictures.values())  # FF D8 FF in base64


def test_a_clean_set_has_no_findings(scenes: Path) -> None:
    found = audit_data([scenes], workers=2)
    assert [f for f in found.findings if f.severity != "note"] == []
    assert [(s.split, s.usable) for s in found.summaries] == [("test", 4), ("train", 15)]
    assert [f.kind for f in found.findings] == ["noncam"] * sum(s.noncam for s in found.summaries)


def test_training_does_not_decode_again_what_was_audited(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_cache(tmp_path / "census.json", audit_data([scenes], workers=1).census)
    seen = load_cache(tmp_path / "census.json")
    pairs = find_pairs([scenes], "train").pairs
    plain = take_census(pairs, workers=1)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(census_module, "see_pair", refuse)
    again = take_census(pairs, workers=1, seen=seen)
    assert [e.foreground for e in again.entries] == [e.foreground for e in plain.entries]
    assert [(e.height, e.width) for e in again.entries] == [
        (e.height, e.width) for e in plain.entries
    ]


def fragile(path: str, role: str) -> dict[str, Any]:
    """As `look_at`, but some files crash the process, hang it, or raise."""
    name = Path(path).name
    if role == "image" and "crash" in name:
        os._exit(7)
    if role == "image" and "hang" in name:
        time.sleep(600)
    if role == "image" and "raise" in name:
        raise MemoryError("no room")
    return look_at(path, role)


def test_a_crash_a_hang_and_an_exception_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    zoo = Zoo(tmp_path / "Zoo")
    for name in ("a-crash", "b", "c-hang", "d", "e-raise", "f"):
        for folder, pixels in ((zoo.images, zoo.fresh()), (zoo.masks, zoo.fresh()[..., 0] // 128)):
            Image.fromarray(pixels).save(folder / f"{name}.png")
    found = audit_data([zoo.root], workers=2, timeout_s=2, look=fragile)
    died = {f.path.name: f.detail for f in found.findings if f.kind == "reader-died"}
    assert set(died) == {"a-crash.png", "c-hang.png", "e-raise.png"}
    assert "exit code 7" in died["a-crash.png"]
    assert "longer than 2 s" in died["c-hang.png"]
    assert "MemoryError: no room" in died["e-raise.png"]
    assert [e.pair.stem for e in found.census.entries] == ["b", "d", "f"]
    assert found.counts["broken"] == 3


def test_a_folder_without_a_data_set_is_an_error_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data set"):
        audit_data([tmp_path], workers=1)
    with pytest.raises(DataError, match="not a folder"):
        audit_data([tmp_path / "nowhere"], workers=1)
