import numpy as np
import pytest

from decamo.data.scenes.outlines import KINDS, OutlineKind, draw_outline


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.label)
def test_an_animal_covers_about_the_area_asked_for(kind: OutlineKind) -> None:
    rng = np.random.default_rng(3)
    shares = np.array([(draw_outline(kind, rng, 64, 0.12) < 0).mean() for _ in range(30)])
    assert shares.max() < 0.15
    assert shares.min() > 0.05  # 60 % of it, less what the wobble takes
    assert 0.095 < shares.mean() < 0.13


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.label)
def test_an_animal_is_in_one_piece_nearly_always(kind: OutlineKind) -> None:
    rng = np.random.default_rng(4)
    single = [_pieces(draw_outline(kind, rng, 96, 0.2) < 0) == 1 for _ in range(12)]
    assert sum(single) >= 10  # a limb that leaves the picture may come back into it


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.label)
def test_outside_the_field_grows_like_a_distance(kind: OutlineKind) -> None:
    outline = draw_outline(kind, np.random.default_rng(5), 96, 0.15)
    slope = np.hypot(*np.gradient(outline)) * 96
    assert 0.6 < np.median(slope[outline > 0]) < 1.5


def test_animals_are_found_everywhere_and_some_are_cut_by_the_border() -> None:
    rng = np.random.default_rng(6)
    masks = [draw_outline(KINDS[i % len(KINDS)], rng, 48, 0.15) < 0 for i in range(150)]
    seen = np.mean(masks, axis=0)
    assert (seen > 0).mean() > 0.98
    assert seen.max() < 0.5  # else a guess that never looks at the picture would do well
    cut = np.mean([m[0].any() or m[-1].any() or m[:, 0].any() or m[:, -1].any() for m in masks])
    assert 0.2 < cut < 0.65


def test_kinds_have_their_own_numbers_and_superclasses() -> None:
    assert [kind.number for kind in KINDS] == list(range(1, len(KINDS) + 1))
    assert len({kind.label for kind in KINDS}) == len(KINDS)
    assert {kind.superclass for kind in KINDS} == {
        "1-Aquatic",
        "2-Terrestrial",
        "3-Flying",
        "4-Amphibian",
    }


def _pieces(mask: np.ndarray) -> int:
    """Count 4-connected components by flooding."""
    left, pieces = {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}, 0
    while left:
        pieces += 1
        front = [left.pop()]
        while front:
            y, x = front.pop()
            for near in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if near in left:
                    left.remove(near)
                    front.append(near)
    return pieces
