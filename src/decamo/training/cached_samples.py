"""Where the training images of the stages ahead come from."""

from collections.abc import Callable, Mapping
from pathlib import Path

from decamo.data.cache.opening import Pool, open_cache
from decamo.data.cache.sample_sources import SampleSource
from decamo.data.pairs import Pair
from decamo.data.waiting import NOBODY, Ear
from decamo.schedule import Resumption
from decamo.settings import DataSettings

__all__ = ["sources_of"]


def sources_of(
    settings: DataSettings,
    resumption: Resumption,
    pairs: tuple[Pair, ...],
    copies: int,
    pool: Pool,
    say: Callable[[str], None],
    on_progress: Callable[[int, int], None],
    ear: Ear = NOBODY,
) -> Mapping[int, SampleSource]:
    """Size -> source, for each size that the plan still trains at; empty with ``--cache off``.

    All are opened before the first step, so that a full disk is found before hours are spent.

    Args:
        settings: ``--cache`` and where to keep it.
        resumption: the plan and where it stands.
        pairs: images that train.
        copies: processes that train together, taken to be on one machine.
        pool: of squares that are open already.
        say: told in one line a size what was chosen and why.
        on_progress: called with (images squashed and kept, images in all).
        ear: listened to while they are awaited.

    Raises:
        StorageError: what was asked for by name cannot be had.
        UnreadableImage: a file cannot be decoded.
        StopAsked: there was a reason.
    """
    if settings.cache == "off":
        return {}
    epochs: dict[int, int] = {}
    for stage in resumption.lineage.plan.stages:
        ahead = stage.last_epoch - max(resumption.position.epoch, stage.first_epoch - 1)
        if ahead > 0:
            epochs[stage.img_size] = epochs.get(stage.img_size, 0) + ahead
    folder: Path | None = settings.cache_dir
    return {
        size: open_cache(
            settings.cache,
            pairs,
            size,
            folder=folder,
            epochs=count,
            copies=copies,
            workers=settings.num_workers,
            pool=pool,
            say=say,
            on_progress=on_progress,
            ear=ear,
        )
        for size, count in epochs.items()
    }
