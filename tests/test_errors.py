import pickle
import re

import pytest

from decamo import errors
from decamo.errors import DecamoError, SettingsError

CLASSES = [getattr(errors, name) for name in errors.__all__]


def test_every_public_name_is_an_error_a_person_can_mend() -> None:
    assert all(issubclass(cls, DecamoError) for cls in CLASSES)


def test_no_error_class_is_left_out_of_the_public_names() -> None:
    defined = {n for n, v in vars(errors).items() if isinstance(v, type)}

    assert defined == set(errors.__all__)


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    lines = (errors.__doc__ or "").splitlines()
    drawn: dict[str, str] = {}
    path = ["DecamoError"]
    for line in lines:
        if match := re.match(r"    ([│ ]*)[├└]── (\w+)", line):
            depth = len(match[1]) // 4 + 1
            path = [*path[:depth], match[2]]
            drawn[match[2]] = path[-2]

    bases = {cls.__name__: cls.__bases__[0].__name__ for cls in CLASSES if cls is not DecamoError}
    assert drawn == bases


def test_message_is_what_got_and_remedy() -> None:
    error = SettingsError("--min-lr", "got 1", "give less")

    assert str(error) == "--min-lr: got 1; give less"
    assert (error.what, error.got, error.remedy) == ("--min-lr", "got 1", "give less")


@pytest.mark.parametrize("breaking", ["a\nb", "a\r\nb", "a\u2028b"])
def test_message_is_one_line_whatever_it_is_made_of(breaking: str) -> None:
    error = DecamoError(breaking, breaking, breaking)

    assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize("cls", CLASSES)
def test_errors_survive_pickling(cls: type[DecamoError]) -> None:
    # They cross the border of a data loader's worker process.
    error = pickle.loads(pickle.dumps(cls("what", "got\n it", "remedy")))

    assert type(error) is cls
    assert str(error) == "what: got it; remedy"
