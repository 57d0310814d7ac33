"""One name, one meaning: nothing is defined twice, and no two modules have one name."""

from benchmarks.house import doubled_modules, doubled_names, source_files


def test_no_class_or_function_is_defined_in_two_files() -> None:
    assert doubled_names(source_files()) == {}


def test_no_two_modules_have_one_name() -> None:
    assert doubled_modules(source_files()) == {}
