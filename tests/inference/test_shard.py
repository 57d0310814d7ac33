import pytest
from hypothesis import given
from hypothesis import strategies as st

from decamo.errors import SettingsError
from decamo.inference.shard import InputShard


@given(st.integers(0, 40), st.integers(1, 9))
def test_shards_together_are_the_whole(items: int, of: int) -> None:
    every = list(range(items))
    shares = [InputShard.parse(f"{number}/{of}").share(every) for number in range(1, of + 1)]
    assert sorted(one for share in shares for one in share) == every
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/2", "1/2/3"])
def test_no_such_shard(text: str) -> None:
    with pytest.raises(SettingsError, match=f"--shard: got {text}; give i/n"):
        InputShard.parse(text)


def test_each_shard_has_names_of_its_own() -> None:
    assert InputShard().named("list") == "list"
    assert InputShard(2, 3).named("list") == "list-2-of-3"
