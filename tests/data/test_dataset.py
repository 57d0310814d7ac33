import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from decamo.data.arena import Arena
from decamo.data.augment import Augmentation
from decamo.data.dataset import Batch, BatchReader, CamouflageDataset, Errand, StowedBatch
from decamo.data.pairs import Pair
from decamo.data.reading import Labels, read_labelled, read_pair
from decamo.errors import UnreadableImage
from decamo.geometry import Squash


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(3):
        image, mask = tmp_path / f"{number}.jpg", tmp_path / f"{number}.png"
        soft = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        Image.fromarray(soft).resize((160, 120), Image.Resampling.BICUBIC).save(image, quality=95)
        on = np.zeros((120, 160), dtype=np.uint8)
        on[20:90, 30:120] = 255
        Image.fromarray(on).save(mask)
        made.append(Pair(image, mask, str(number), "set", "train"))
    return made


def test_without_augmentation_a_sample_is_the_squashed_pair(pairs: list[Pair]) -> None:
    data = CamouflageDataset(pairs, 40, seed=0, augment=False)
    image, mask = read_pair(pairs[1])
    squash = Squash((120, 160), 40)
    for epoch in (0, 9):
        sample = data[epoch, 1]
        assert sample.key == "set/1"
        assert torch.equal(sample.image, squash.apply(torch.from_numpy(image).permute(2, 0, 1)))
        assert torch.equal(sample.mask[0].bool(), squash.apply_mask(torch.from_numpy(mask)))
        assert sample.image.is_contiguous()
        assert sample.mask.dtype == torch.uint8


def test_the_same_address_gives_the_same_pixels_and_another_epoch_others(
    pairs: list[Pair],
) -> None:
    data = CamouflageDataset(pairs, 40, seed=5, augment=True)
    twin = pickle.loads(pickle.dumps(data))
    first = data[3, 2]
    assert torch.equal(first.image, twin[3, 2].image)
    assert torch.equal(first.mask, twin[3, 2].mask)
    images = [data[epoch, 2].image for epoch in range(6)]
    assert len({image.numpy().tobytes() for image in images}) == 6
    other = CamouflageDataset(pairs, 40, seed=6, augment=True)
    assert any(not torch.equal(images[e], other[e, 2].image) for e in range(6))


def test_the_draw_can_be_another(pairs: list[Pair]) -> None:
    plain = CamouflageDataset(pairs, 40, seed=5, augment=False)
    mirrored = CamouflageDataset(
        pairs, 40, seed=5, augment=True, draw=lambda _seed, _epoch, _index: Augmentation(flip=True)
    )
    assert torch.equal(mirrored[2, 1].mask, plain[2, 1].mask.flip(-1))
    assert not torch.equal(mirrored[2, 1].mask, plain[2, 1].mask)


def test_global_generators_change_nothing(pairs: list[Pair]) -> None:
    data = CamouflageDataset(pairs, 40, seed=5, augment=True)
    first = data[1, 0].image
    torch.manual_seed(99)
    assert torch.equal(first, data[1, 0].image)


def test_decoding_at_a_fraction_changes_a_sample_but_little(
    pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = CamouflageDataset(pairs, 16, seed=1, augment=True)
    drafted = [data[epoch, 0] for epoch in range(12)]
    asked: list[int | None] = []

    def whole(pair: Pair, at_least: int | None = None) -> tuple[np.ndarray, Labels]:
        asked.append(at_least)
        return read_labelled(pair)

    monkeypatch.setattr("decamo.data.dataset.read_labelled", whole)
    full = [data[epoch, 0] for epoch in range(12)]
    assert min(a for a in asked if a) >= 16
    assert max(a for a in asked if a) <= 16 / 0.5
    assert any(not torch.equal(a.image, b.image) for a, b in zip(drafted, full, strict=True))
    for a, b in zip(drafted, full, strict=True):
        assert (a.image.float() - b.image.float()).abs().mean() < 6
        assert torch.equal(a.mask, b.mask)


def test_a_broken_file_is_named(pairs: list[Pair]) -> None:
    pairs[0].mask.write_bytes(b"")
    data = CamouflageDataset(pairs, 40, seed=5, augment=False)
    assert len(data) == 3
    with pytest.raises(UnreadableImage, match=r"0\.png"):
        data[0, 0]


class TestStowing:
    """What a reading process does with a batch that has a slot; here in this process."""

    ATS = ((4, 2), (4, 0), (5, 1))

    @pytest.fixture
    def data(self, pairs: list[Pair]) -> CamouflageDataset:
        return CamouflageDataset(pairs, 40, seed=5, augment=True)

    @pytest.fixture
    def sent(self, data: CamouflageDataset) -> Batch:
        """The batch as it is without an arena."""
        batch = BatchReader(data, None, alone=False)(Errand([*self.ATS], None))
        assert isinstance(batch, Batch)
        return batch

    def test_a_batch_lies_in_its_slot(self, data: CamouflageDataset, sent: Batch) -> None:
        arena = Arena.make(2, sent.image.numel() + sent.mask.numel())
        assert arena is not None
        reader: BatchReader = pickle.loads(pickle.dumps(BatchReader(data, arena, alone=False)))
        stowed = reader(Errand([*self.ATS], 1))
        assert stowed == StowedBatch(1, ("set/2", "set/0", "set/1"), (3, 3, 40, 40), (3, 1, 40, 40))
        first, second = sent.image.numel(), sent.mask.numel()
        room = torch.from_numpy(arena.slot(1))
        assert torch.equal(room[:first].view(sent.image.shape), sent.image)
        assert torch.equal(room[first : first + second].view(sent.mask.shape), sent.mask)
        assert arena.marked(1) == 2  # the last of its samples
        assert not arena.slot(0).any()

    def test_one_that_does_not_fit_or_whose_slot_is_gone_is_sent(
        self, data: CamouflageDataset, sent: Batch, tmp_path: Path
    ) -> None:
        small = Arena.make(1, 1000)
        for arena in (small, Arena(tmp_path / "gone", 1, 90_000), None):
            found = BatchReader(data, arena, alone=False)(Errand([*self.ATS], 0))
            assert isinstance(found, Batch)
            assert found.keys == sent.keys
            assert torch.equal(found.image, sent.image)
            assert torch.equal(found.mask, sent.mask)
