import pickle
from pathlib import Path

import pytest
import torch

from decamo.data.cache import side_of
from decamo.data.cache.identity import square_of
from decamo.data.cache.opening import open_on_disk
from decamo.data.cache.sample_sources import Fresh, SampleSource, Stored, bytes_of, open_in_memory
from decamo.data.dataset import CamouflageDataset, EpochSampler
from decamo.data.pairs import Pair
from decamo.data.stream import BatchStream

PAIRS = tuple[Pair, ...]


def quiet(done: int, total: int) -> None: ...


def every_source(pairs: PAIRS, side: int, folder: Path) -> dict[str, SampleSource]:
    return {
        "fresh": Fresh(pairs, side),
        "ram": open_in_memory(pairs, side, workers=0, on_progress=quiet),
        "disk": open_on_disk(folder, pairs, side, workers=0, on_progress=quiet),
        "disk again": open_on_disk(folder, pairs, side, workers=0, on_progress=quiet),
    }


def test_every_source_gives_the_same_bytes(pairs: PAIRS, tmp_path: Path) -> None:
    for source in every_source(pairs, 64, tmp_path / "kept").values():
        for index, pair in enumerate(pairs):
            assert torch.equal(source.square(index), square_of(pair, 64))


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.long)])
def test_a_run_sees_the_same_batches_whatever_holds_its_images(
    pairs: PAIRS, tmp_path: Path, workers: int
) -> None:
    seen = []
    for source in every_source(pairs, side_of(32), tmp_path / "kept").values():
        data = CamouflageDataset(pairs, 32, seed=3, augment=True, source=source)
        sampler = EpochSampler(len(pairs), seed=3, first_epoch=1, last_epoch=3, micro_batch=2)
        loader = BatchStream(data, sampler, num_workers=workers, pin_memory=False)
        seen.append([(b.image.clone(), b.mask.clone(), b.keys) for b in loader])
    for other in seen[1:]:
        for (image, mask, keys), (image_2, mask_2, keys_2) in zip(seen[0], other, strict=True):
            assert torch.equal(image, image_2)
            assert torch.equal(mask, mask_2)
            assert keys == keys_2


def test_stored_images_differ_from_those_read_by_resampling_only(pairs: PAIRS) -> None:
    """The same augmentations; 12 grey levels of pixel noise are the worst there is to resample."""
    read = CamouflageDataset(pairs, 48, seed=1, augment=True)
    stored = CamouflageDataset(pairs, 48, seed=1, augment=True, source=Fresh(pairs, side_of(48)))
    levels, wrong, of = [], 0, 0
    for epoch in range(20):
        for index in range(len(pairs)):
            a, b = read[epoch, index], stored[epoch, index]
            levels.append((a.image.float() - b.image.float()).abs().mean().item())
            wrong += int((a.mask != b.mask).sum())
            of += a.mask.numel()
    assert sum(levels) / len(levels) < 2.5
    assert max(levels) < 8
    assert wrong / of < 0.008


def test_a_map_travels_without_what_it_maps(pairs: PAIRS) -> None:
    source = open_in_memory(pairs, 64, workers=0, on_progress=quiet)
    source.square(0)
    twin = pickle.loads(pickle.dumps(source))
    assert twin.owner is None
    assert len(pickle.dumps(source)) < 1000
    assert torch.equal(twin.square(4), source.square(4))


def test_writing_into_a_square_does_not_reach_the_others(pairs: PAIRS) -> None:
    source = open_in_memory(pairs, 64, workers=0, on_progress=quiet)
    twin = Stored(source.path, source.count, source.side)
    before = twin.square(0).clone()
    source.square(0).zero_()
    assert torch.equal(twin.square(0), before)


def test_bytes(pairs: PAIRS) -> None:
    assert bytes_of(pairs, 64) == 5 * 64 * 64 * 4
