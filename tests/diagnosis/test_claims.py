import json

import pytest

from decamo.diagnosis import Claim, claims_of, known_claims

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


def test_the_gain_and_the_word_are_read_where_they_are() -> None:
    full = GOOD | {"difference": 0.02, "word": "holds", "title": "passed over"}
    found = claims_of(json.dumps({"claims": [full]}))["gain-conservative"]
    assert found.sentence == "measured +0.020 (+0.010 to +0.030), three seeds: holds"
    odd = claims_of(json.dumps({"claims": [GOOD | {"difference": "much", "word": 3}]}))
    assert odd["gain-conservative"].sentence == "measured +0.010 to +0.030, three seeds"


def test_those_of_the_package_can_be_read() -> None:
    for name, claim in known_claims().items():
        assert name == claim.name
        assert claim.difference is not None
        assert claim.low <= claim.difference <= claim.high
