from dataclasses import replace

import torch

from decamo.training.state import generator_states, restore_generators


def test_what_is_drawn_after_restoring_is_what_was_drawn_before() -> None:
    states = generator_states()
    before = torch.rand(5)
    torch.manual_seed(1)
    restore_generators(states)
    assert torch.equal(torch.rand(5), before)


def test_states_of_other_gpus_are_passed_over() -> None:
    states = replace(generator_states(), cuda=(torch.zeros(16, dtype=torch.uint8),) * 9)
    restore_generators(states)
