"""What a node must see as the command's machine does."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from decamo.cluster.work_terms import WorkTerms, seen_files, software_here, token_in
from decamo.errors import SettingsError, StorageError


@pytest.fixture
def terms(tmp_path: Path) -> WorkTerms:
    (tmp_path / "a.png").write_bytes(b"pixels")
    return WorkTerms(software_here(), Path.cwd(), seen_files([tmp_path / "a.png"] * 2))


def test_the_same_files_are_fine(terms: WorkTerms) -> None:
    assert len(terms.reads) == 1
    terms.insist("here")


@pytest.mark.parametrize("there", [b"pixel!", b"pixels and more", None])
def test_another_file_or_none_is_named(terms: WorkTerms, there: bytes | None) -> None:
    path = terms.reads[0].path
    os.utime(path, ns=(1, 1))  # a copy on a node's own disk has another time
    terms.insist("here")
    path.unlink()
    if there is not None:
        path.write_bytes(there)
    with pytest.raises(SettingsError, match=r"node h7 does not see \S+a.png as this machine does"):
        terms.insist("h7")


def test_another_software_or_folder_is_named(terms: WorkTerms, tmp_path: Path) -> None:
    other = replace(terms, software=replace(terms.software, torch="1.0"))
    with pytest.raises(SettingsError, match=r"node h7 has torch .* instead of 1\.0"):
        other.insist("h7")
    with token_in(tmp_path) as token:
        bound = replace(terms, token=token)
        bound.insist("h7")
    with pytest.raises(SettingsError, match="node h7 does not see"):
        bound.insist("h7")


def test_what_cannot_be_read_here_is_no_fault_of_a_node(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"gone\.png"):
        seen_files([tmp_path / "gone.png"])
