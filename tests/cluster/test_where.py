import pytest

from decamo.cluster import OnRay, Share, where_of
from decamo.errors import SettingsError


def test_words_mean_a_place() -> None:
    assert where_of(None) is where_of("") is None
    assert where_of("ray") == OnRay("")
    assert where_of("ray:auto") == OnRay("auto")
    for address in ("head:6379", "10.0.0.7:6379", "[::1]:6379"):
        on = where_of(f"ray:{address}")
        assert on == OnRay(address)
        assert where_of(str(on)) == on


@pytest.mark.parametrize(
    "words",
    ["dask", "ray:", "ray:head", "ray:head:0", "ray:head:70000", "ray:a b:1", "ray:-x:1:2", "Ray"],
)
def test_other_words_are_a_mistake(words: str) -> None:
    with pytest.raises(SettingsError, match=r"--on: got '.*'; give --on ray"):
        where_of(words)


def test_the_client_of_ray_is_told_what_to_do_instead() -> None:
    with pytest.raises(SettingsError, match="Ray's client; start the command on a machine of"):
        where_of("ray:ray://head:10001")


@pytest.mark.parametrize(
    ("share", "told"),
    [
        ({"gpus": -1}, "--gpus-per-trial: got -1"),
        ({"gpus": 1.5}, "--gpus-per-trial: got 1.5; beyond 1 give whole"),
        ({"cpus": float("nan"), "unit": "worker"}, "--cpus-per-worker: got nan"),
        ({"cpus": float("inf")}, "--cpus-per-trial: got inf"),
    ],
)
def test_a_share_that_ray_would_refuse_is_a_mistake(share: dict[str, float], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        Share(**share)  # type: ignore[arg-type]
