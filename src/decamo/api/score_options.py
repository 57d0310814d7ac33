"""What is scored, on what, and how: the options of a score, and what follows from them alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from decamo.cluster.worker_crew import Workers, workers_of
from decamo.data.layouts import find_pairs
from decamo.data.pairs import files_by_stem
from decamo.data.rules import MAX_PIXELS
from decamo.data.waiting import Ear
from decamo.data.wanted import Wanted
from decamo.errors import SettingsError
from decamo.evaluation import (
    RESAMPLES,
    CaseSet,
    Channel,
    Convention,
    NonCam,
    Rules,
    method_names,
    named_path,
    sets_of_masks,
    sets_of_pairs,
)
from decamo.settings.option import one_of
from decamo.settings.words import seconds_of

__all__ = ["ScoreOptions"]


@dataclass(frozen=True)
class ScoreOptions:
    """What is scored, on what, and how; names and defaults are those of ``decamo evaluate``.

    Attributes:
        checkpoint: networks, each ``PATH`` or ``NAME=PATH``.
        predictions: folders of any method's maps, each ``DIR`` or ``NAME=DIR``.
        dataset_path: folders of data sets.
        masks: folders of masks, instead of data sets, each ``DIR`` or ``NAME=DIR``.
        images: folders of images, beside ``masks``.
        split: ``test`` or ``train``, of data sets.
        train_on: folders or files that are to train on, by name or pattern.
        test_on: folders or files that are to test on, by name or pattern.
        mask_suffix: what the names of masks have behind those of their images.
        protocol: ``published`` or ``plain``.
        noncam: ``drop``, ``named`` or ``negatives``; None as the protocol has it.
        missing: ``error``, or ``zero``: a mask without a map counts as nothing found.
        mask_values: what the masks' values mean, such as ``object=1``.
        max_pixels: of the largest file that is decoded.
        resize: bring maps of another size to the mask's.
        stretch: stretch each map to [0, 1], as the published protocol always does.
        map_channel: of maps with alpha; None as all files show.
        img_size: px that networks see; None as trained.
        flips: average with the map of the mirrored image.
        scales: magnifications whose maps are averaged.
        look_closer: a second look at the window around what was found.
        decide: ``half``, or ``iou`` for the region of the best expected IoU.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``bf16``.
        batch_size: images read ahead.
        num_workers: reading threads.
        workers: scoring processes, or workers on Ray; None by cores, room and images.
        on: ``ray`` or ``ray:ADDRESS``: a cluster whose workers predict and score; None or empty for
            this process.
        cpus_per_worker: cores that each reserves there; None for as many as it has threads.
        gpus_per_worker: GPUs likewise; None for one where the cluster has any.
        data_timeout: after which a file that is not read is given up, such as ``3m``.
        by: groupings whose scores are given as well.
        compare: names of two methods: is the second better?
        resamples: for intervals; 0 for none.
        seed: of the resamples.
        atlas: whether wrong pixels are classified.
        band: px of boundary; None for 0.5 % of the diagonal.
        network: ``FILE.py:FUNCTION`` of the checkpoints whose network is from a file.
        resume: file where results are kept as they come; those that are there and still hold are
            not made again. None for none.

    Raises:
        SettingsError: a word that is not among those allowed.
    """

    checkpoint: Sequence[str] = ()
    predictions: Sequence[str] = ()
    dataset_path: Sequence[Path] = ()
    masks: Sequence[str] = ()
    images: Sequence[Path] = ()
    split: Literal["train", "test"] = "test"
    train_on: Sequence[str] = ()
    test_on: Sequence[str] = ()
    mask_suffix: str = ""
    protocol: str = Convention.PUBLISHED.value
    noncam: str | None = None
    missing: str = "error"
    mask_values: Sequence[str] = ()
    max_pixels: int = MAX_PIXELS
    resize: bool = False
    stretch: bool = False
    map_channel: Channel | None = None
    img_size: int | None = None
    flips: bool = False
    scales: Sequence[float] = (1.0,)
    look_closer: bool = False
    decide: str = "half"
    device: str = "auto"
    precision: str = "fp32"
    batch_size: int = 8
    num_workers: int = 2
    workers: int | None = None
    on: str | None = None
    cpus_per_worker: float | None = None
    gpus_per_worker: float | None = None
    data_timeout: str = "3m"
    by: Sequence[str] = ()
    compare: Sequence[str] | None = None
    resamples: int = RESAMPLES
    seed: int = 0
    atlas: bool = False
    band: int | None = None
    network: str = ""
    resume: Path | None = None

    def __post_init__(self) -> None:
        one_of("protocol", self.protocol, tuple(c.value for c in Convention))
        one_of("split", self.split, ("test", "train"))
        one_of("missing", self.missing, ("error", "zero"))
        if self.noncam is not None:
            one_of("noncam", self.noncam, tuple(c.value for c in NonCam))
        self.elsewhere()

    def rules(self) -> Rules:
        """How maps and masks are compared, also by the other convention."""
        convention = Convention(self.protocol)
        return replace(self._rules_of(convention), other=self._rules_of(convention.other))

    def _rules_of(self, convention: Convention) -> Rules:
        return Rules(
            NonCam(self.noncam) if self.noncam else convention.noncam,
            self.stretch or convention is Convention.PUBLISHED,
            self.resize,
            self.classifies,
            self.band,
            convention,
        )

    @property
    def classifies(self) -> bool:
        """Whether wrong pixels are classified and contrast is measured, which takes the images."""
        return self.atlas or "contrast" in self.by

    def case_sets(self) -> list[CaseSet]:
        """The images and masks, found.

        Raises:
            DecamoError: there are none, or they do not fit together.
        """
        if bool(self.masks) == bool(self.dataset_path):
            raise SettingsError(
                "--dataset-path", "give either it or --masks", "name data sets, or folders of masks"
            )
        if self.dataset_path:
            wanted = Wanted(tuple(self.train_on), tuple(self.test_on), self.mask_suffix)
            return sets_of_pairs(find_pairs(self.dataset_path, self.split, wanted).pairs)
        if self.checkpoint:
            raise SettingsError(
                "--masks", "a network needs images", "name the set by --dataset-path"
            )
        images: dict[str, Path] = {}
        for folder in self.images:
            images |= files_by_stem(folder)
        return sets_of_masks([named_path(text) for text in self.masks], images)

    def names(self) -> list[str]:
        """What the checkpoints and then the folders of maps are called.

        Raises:
            SettingsError: there is none, or ``compare`` names another.
        """
        named = [named_path(text) for text in (*self.checkpoint, *self.predictions)]
        if not named:
            raise SettingsError("decamo evaluate", "nothing to score", "name a checkpoint or maps")
        names = method_names(named)
        for name in self.compare or ():
            if name not in names:
                known = ", ".join(names)
                raise SettingsError(
                    "--compare", f"no method is called {name}", f"choose from {known}"
                )
        return names

    def elsewhere(self) -> Workers | None:
        """Workers of a cluster that score; None for this process.

        Raises:
            SettingsError: a flag of theirs cannot be meant.
        """
        return workers_of(
            self.on,
            count=self.workers,
            cpus=self.cpus_per_worker,
            gpus=self.gpus_per_worker,
            device=self.device,
            precision=self.precision,
        )

    def ear(self, say: Callable[[str], None]) -> Ear:
        """Who is told of files that are long in coming, and when they are given up."""
        return Ear(say=say, give_up_s=seconds_of("data_timeout", self.data_timeout))
