import json

import pytest

from decamo.diagnosis import Claim, claims_of

GOOD = {"name": "gain-conservative", "low": 0.01, "high": 0.03, "setting": "three seeds"}


def test_claims_are_read_by_name() -> None:
    found = claims_of(json.dumps({"claims": [GOOD]}))
    assert found == {"gain-conservative": Claim("gain-conservative", 0.01, 0.03, "three seeds")}


@pytest.mark.parametrize(
    "change",
    [
        {"low": None}, {"low": "0.1"}, {"low": True}, {"low": 0.5}, {"high": float("nan")},
        {"high": 10**400}, {"name": 3}, {"setting": None},
    ],
)  # fmt: skip
def test_other_forms_are_passed_over(change: dict[str, object]) -> None:
    assert claims_of(json.dumps({"claims": [GOOD | change, GOOD]})).keys() == {GOOD["name"]}
    assert not claims_of(json.dumps({"claims": [GOOD | change]}))


@pytest.mark.parametrize("text", ["[]", "{}", "3", '{"claims": 3}', '{"claims": [1, null]}'])
def test_files_without_claims_have_none(text: str) -> None:
    assert not claims_of(text)


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        claims_of("{")
