from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.quality_peers import PEERS
from benchmarks.quality_recipes import (
    OURS,
    OWN,
    PROTOCOL,
    Entry,
    entries_of,
    entry_of,
    gentle_draw,
    protocol_draw,
)
from benchmarks.quality_terms import Terms
from decamo.data.augment import Augmentation, draw_augmentation
from decamo.errors import SettingsError
from decamo.losses import Criterion
from decamo.nn import build_segmenter
from decamo.nn.cost import measure_cost
from decamo.settings.loss_weights import loss_weights_of


def test_the_protocol_flips_crops_and_brightens_as_our_own_draws_do_and_nothing_else() -> None:
    plain, seen = Augmentation(), Counter[str]()
    for index in range(200):
        drawn, whole = protocol_draw(3, 1, index), draw_augmentation(3, 1, index)
        for name, value in vars(drawn).items():
            if name in ("flip", "crop", "brightness"):
                assert value == getattr(whole, name)
                seen[name] += value != getattr(plain, name)
            else:
                assert value == getattr(plain, name)
    assert all(50 < seen[name] < 190 for name in ("flip", "crop", "brightness"))


def test_gentle_draws_change_half_as_much_of_the_geometry_and_all_of_the_colour() -> None:
    for index in range(50):
        drawn, gentle = draw_augmentation(3, 1, index), gentle_draw(3, 1, index)
        assert replace(gentle, crop=drawn.crop, angle=drawn.angle) == drawn
        assert gentle.angle == drawn.angle / 2
        for side in (0, 1):
            start, length = drawn.crop[side], drawn.crop[side + 2]
            own, own_length = gentle.crop[side], gentle.crop[side + 2]
            assert own == pytest.approx(start / 2)
            # the far margin is halved too
            assert 1 - own - own_length == pytest.approx((1 - start - length) / 2)


def test_the_protocols_loss_is_cross_entropy_and_iou_alone() -> None:
    ((section, given),) = PROTOCOL.settings.items()
    assert section == "optimise"
    assert given.keys() == {"loss_weights"}
    weights = Criterion(False, loss_weights_of(given["loss_weights"])).weights
    assert {name: weight for name, weight in weights.items() if weight} == {"bce": 1.0, "iou": 1.0}


def test_ours_takes_part_by_its_own_recipes() -> None:
    assert {entry.recipe.name for entry in OURS.values()} == {
        "protocol",
        "own",
        "fovea",
        "zoom",
        "native",
        "large",
    }
    assert [entry_of(name).experts for name in ("decamo-7", "decamo-1")] == [7, 1]
    assert entry_of("decamo-own").parts.draw is OWN.draw
    others = {name for name, entry in OURS.items() if entry.build is not build_segmenter}
    assert others == {"decamo-dense"}


@pytest.mark.long
def test_the_fovea_has_no_more_operations_than_the_zoom_that_it_is_compared_with() -> None:
    terms = Terms((), "test_efficientnet", epochs=1)
    cost = {
        name: _flops(terms, entry_of(name))
        for name in ("decamo-fovea", "decamo-zoom", "decamo-dense")
    }
    assert 0.8 < cost["decamo-fovea"] / cost["decamo-zoom"] < 1
    assert 0.8 < cost["decamo-fovea"] / cost["decamo-dense"] < 1


def _flops(terms: Terms, entry: Entry) -> int:
    size = terms.size_of(entry)
    settings = terms.settings(entry, 0, 1, Path("run"))
    return measure_cost(entry.build(settings.model, sizes=[size], seed=0), size).flops


def test_peers_are_trained_by_the_protocol() -> None:
    for name in PEERS:
        entry = entry_of(name)
        assert (entry.peer, entry.recipe) == (name, PROTOCOL)
        assert entry.parts.draw is protocol_draw


def test_names_make_entries_once_and_files_apart() -> None:
    everyone = entries_of([*PEERS, *OURS, "FPN"])
    assert [entry.name for entry in everyone] == [*PEERS, *OURS]
    assert len({entry.slug for entry in everyone}) == len(everyone)
    assert all(entry.slug.replace("-", "").isalnum() for entry in everyone)
    with pytest.raises(SettingsError, match="no network is left"):
        entries_of([])


def test_any_network_has_the_protocols_recipe_under_its_own_name() -> None:
    _, ours, theirs, library = entries_of(
        ["FPN", "decamo-1"], ["code/theirs.py:build", "smp:MAnet"]
    )
    assert (ours.name, theirs.name, library.name) == ("decamo-1", "theirs.py:build", "smp:MAnet")
    assert theirs.recipe is library.recipe is PROTOCOL
    weights = Path("encoder.pth")
    terms = Terms((), weights=weights)
    made = terms.settings(theirs, 0, 1, Path()).model
    assert (made.network, made.pretrained, made.backbone_weights) == (
        "code/theirs.py:build", True, None,
    )  # fmt: skip
    placed = terms.settings(library, 0, 1, Path()).model
    assert (placed.network, placed.pretrained, placed.backbone_weights) == (
        "smp:MAnet", False, weights,
    )  # fmt: skip
    with pytest.raises(SettingsError, match="--network"):
        entries_of([], ["no:such:form"])
