import io

import numpy as np
import pytest
from PIL import Image

from decamo.data.fingerprints import MAX_BITS, MIN_CORRELATION, Print, alike, fingerprint_of
from tests.data.audit.malformed import photo


def resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def recompressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return np.asarray(Image.open(out).convert("RGB"))


def smooth(seed: int) -> np.ndarray:
    """Structure of photographs: large forms, soft edges."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC))


SIGNATURE = np.zeros((240, 320, 1), dtype=bool)
SIGNATURE[-10:, 20:100] = True

COPIES = {
    "recompressed": lambda a: recompressed(a, 30),
    "half": lambda a: resized(a, (160, 120)),
    "brighter": lambda a: np.clip(a.astype(int) * 0.8 + 40, 0, 255).astype(np.uint8),
    "grey": lambda a: np.asarray(Image.fromarray(a).convert("L").convert("RGB")),
    "cropped": lambda a: a[3:, 2:].copy(),
    "signed": lambda a: np.where(SIGNATURE, 0, a).astype(np.uint8),
}


@pytest.mark.parametrize("how", COPIES)
def test_copies_are_alike(how: str) -> None:
    for seed in range(5):
        original = smooth(seed)
        (like,) = alike([fingerprint_of(original), fingerprint_of(COPIES[how](original))])
        assert (like.left, like.right, like.mirrored) == (0, 1, False)
        assert like.bits <= MAX_BITS
        assert MIN_CORRELATION <= like.correlation <= 1


def test_mirrored_copies_are_told_apart() -> None:
    original = smooth(3)
    (like,) = alike([fingerprint_of(original), fingerprint_of(original[:, ::-1].copy())])
    assert like.mirrored
    assert like.correlation > 0.999


def test_a_symmetric_copy_counts_once_and_as_plain() -> None:
    half = smooth(4)
    whole = np.concatenate([half, half[:, ::-1]], axis=1)
    (like,) = alike([fingerprint_of(whole), fingerprint_of(recompressed(whole, 95))])
    assert like.bits <= MAX_BITS


def test_others_are_not_alike() -> None:
    prints = [fingerprint_of(smooth(seed)) for seed in range(150)]
    prints += [fingerprint_of(photo(seed)) for seed in range(150)]
    assert alike(prints) == []


def test_flat_pictures_have_nothing_to_compare() -> None:
    flat = [np.full((40, 60, 3), level, dtype=np.uint8) for level in (0, 128, 129, 255)]
    assert alike([fingerprint_of(picture) for picture in flat]) == []


def test_another_shape_is_another_picture() -> None:
    original = smooth(5)
    assert alike([fingerprint_of(original), fingerprint_of(resized(original, (320, 300)))]) == []


def test_against_pairs_compared_one_by_one() -> None:
    rng = np.random.default_rng(0)
    base = [rng.integers(0, 256, 72).reshape(8, 9) for _ in range(6)]
    prints = []
    for index in range(60):
        grid = base[index % 6] + rng.integers(-40, 41, (8, 9))
        thumb = np.kron(base[index % 6][:, 1:], np.ones((4, 4))) + rng.integers(-60, 61, (32, 32))
        tidy = [np.clip(values, 0, 255).astype(np.uint8).tobytes() for values in (grid, thumb)]
        prints.append(Print(tidy[0], tidy[1], 1.0))
    expected = set()
    for left in range(60):
        for right in range(left + 1, 60):
            if plain_likeness(prints[left], prints[right]):
                expected.add((left, right))
    assert {(like.left, like.right) for like in alike(prints)} == expected
    assert 20 < len(expected) < 300


def plain_likeness(a: Print, b: Print) -> bool:
    for step in (1, -1):
        left = np.frombuffer(a.grid, np.uint8).reshape(8, 9).astype(int)
        right = np.frombuffer(b.grid, np.uint8).reshape(8, 9).astype(int)[:, ::step]
        bits = int(((np.diff(left) > 0) != (np.diff(right) > 0)).sum())
        thumb = np.frombuffer(b.thumb, np.uint8).reshape(32, 32)[:, ::step].ravel()
        correlation = np.corrcoef(np.frombuffer(a.thumb, np.uint8), thumb)[0, 1]
        if bits <= MAX_BITS and correlation >= MIN_CORRELATION:
            return True
    return False


def test_none_and_one() -> None:
    assert alike([]) == []
    assert alike([fingerprint_of(photo(1))]) == []
