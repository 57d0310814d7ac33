"""Every source file has its test at the mirrored path, and no test is about nothing."""

from pathlib import Path

import decamo

SOURCE = Path(decamo.__file__).parent
TESTS = Path(__file__).parent

# Tests of the tree as a whole.
OF_THE_TREE = {
    "test_ladder.py",
    "test_mirror.py",
    "test_public_names.py",
    "test_readme.py",
    "test_demo.py",
    "test_plan_followed.py",
    "test_soak.py",
    "test_start_up.py",
}


def test_every_source_file_is_mirrored() -> None:
    missing = [
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if path.name != "__init__.py"
        and not (TESTS / path.relative_to(SOURCE)).with_name(f"test_{path.name}").exists()
    ]
    assert missing == []


def test_every_test_file_mirrors_a_source_file() -> None:
    strays = [
        str(path.relative_to(TESTS))
        for path in TESTS.rglob("test_*.py")
        if path.name not in OF_THE_TREE
        and not (SOURCE / path.relative_to(TESTS))
        .with_name(path.name.removeprefix("test_"))
        .exists()
    ]
    assert strays == []
