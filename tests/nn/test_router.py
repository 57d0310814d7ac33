import torch

from decamo.nn.experts import FLOOR, MOMENTUM, Router


def features(batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, 8, 6, 6, generator=torch.Generator().manual_seed(0))


def test_gates_are_probabilities_with_a_floor_even_for_a_certain_router() -> None:
    router = Router(8, 5)
    torch.nn.init.constant_(router.score.bias, 0)
    with torch.no_grad():
        router.score.bias[2] = 1e4
    gates = router(features())
    assert torch.allclose(gates.sum(1), torch.ones(3))
    assert torch.allclose(gates.min(), torch.tensor(FLOOR / 5))


def test_gates_start_about_even_and_follow_the_image() -> None:
    gates = Router(8, 5)(features())
    assert (gates - 0.2).abs().max() < 0.1
    assert not torch.allclose(gates[0], gates[1], atol=1e-5)


def test_statistics_are_the_mean_and_the_deviation() -> None:
    router = Router(8, 3).eval()
    router.norm = torch.nn.Identity()  # type: ignore[assignment]
    router.score = torch.nn.Identity()  # type: ignore[assignment]
    x = features() + 4
    expected = torch.cat((x.mean((2, 3)), x.std((2, 3), correction=0)), dim=1).softmax(1)
    assert torch.allclose(router(x), (1 - FLOOR) * expected + FLOOR / 16, atol=1e-5)


def test_temperature_sharpens() -> None:
    cold, warm = Router(8, 5, temperature=0.1), Router(8, 5, temperature=10)
    warm.load_state_dict(cold.state_dict())
    assert cold(features()).max() > warm(features()).max()


def test_usage_is_the_running_average_of_what_it_is_told() -> None:
    router = Router(8, 5)
    expected = torch.full((5,), 0.2)
    for batch in (1, 3):
        before = router.usage.clone()
        gates = router(features(batch)).detach().mean(0)
        assert torch.equal(router.usage, before)  # a forward pass alone moves nothing
        router.follow(gates)
        expected = MOMENTUM * expected + (1 - MOMENTUM) * gates
        assert torch.allclose(router.usage, expected)
    assert not router.usage.requires_grad
    assert "usage" in router.state_dict()


def test_half_precision_features_of_a_large_level_do_not_overflow() -> None:
    x = torch.full((1, 8, 64, 64), 200.0, dtype=torch.float16)
    assert Router(8, 5)(x).isfinite().all()
