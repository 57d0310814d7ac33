from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from decamo.nn.name_fitting import fit_names
from tests.foreign_files import forms, network

NET = network()
WANTED = NET.state_dict()
PREFIXES = st.lists(st.sampled_from(["module", "model", "net", "encoder", "0"]), max_size=3)


def same(fitted: Any) -> bool:
    return fitted.weights.keys() == WANTED.keys() and all(
        torch.equal(fitted.weights[name], value) for name, value in WANTED.items()
    )


@given(before=PREFIXES)
def test_whatever_stands_before_the_names_is_found(before: list[str]) -> None:
    off = "".join(f"{part}." for part in before)

    fitted = fit_names({off + name: value for name, value in WANTED.items()}, WANTED)

    assert fitted.is_whole
    assert same(fitted)
    assert (fitted.taken_off, fitted.put_on, fitted.unknown) == (off, "", ())


@given(before=PREFIXES)
def test_what_the_network_has_before_them_is_put_on(before: list[str]) -> None:
    on = "".join(f"{part}." for part in before)
    wanted = {on + name: value for name, value in WANTED.items()}

    fitted = fit_names(WANTED, wanted)

    assert fitted.is_whole
    assert fitted.weights.keys() == wanted.keys()
    assert fitted.put_on == on


def test_an_encoder_alone_is_found_in_a_whole_network() -> None:
    encoder = {k.removeprefix("encoder."): v for k, v in WANTED.items() if k.startswith("encoder")}

    fitted = fit_names({f"model.{k}": v for k, v in WANTED.items()}, encoder)

    assert fitted.is_whole
    assert fitted.taken_off == "model.encoder."
    assert all(name.startswith("model.head.") for name in fitted.unknown)


def test_what_is_not_there_is_named() -> None:
    weights = {k: v for k, v in WANTED.items() if k != "head.0.bias"}
    weights |= {"head.2.weight": torch.zeros(1, 9, 1, 1), "aux.weight": torch.zeros(3)}

    fitted = fit_names(weights, WANTED)

    assert not fitted.is_whole
    assert fitted.missing == ("head.0.bias",)
    assert fitted.misfit == ("head.2.weight",)
    assert fitted.unknown == ("aux.weight",)


def test_a_file_without_counters_of_batches_is_whole() -> None:
    weights = {k: v for k, v in WANTED.items() if not k.endswith("num_batches_tracked")}

    assert fit_names(weights, WANTED).is_whole


@pytest.mark.parametrize("form", ["bare", "data_parallel"])
def test_forms_of_other_programs(form: str) -> None:
    assert same(fit_names(forms(NET)[form], WANTED))
