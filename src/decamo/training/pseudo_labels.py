"""Unlabelled photographs get labels from a network, once, before the first step of a run."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from decamo.checkpoint import Checkpoint
from decamo.data.census import BadFile
from decamo.data.images_rule import rule_for_images
from decamo.data.pseudo_pairs import present_labels
from decamo.data.read_ahead import ReadAhead
from decamo.data.reading import read_image
from decamo.data.rules import ReadingRule
from decamo.data.waiting import Ear, Patience
from decamo.errors import DataError, UnreadableImage
from decamo.inference.labelling import label_by
from decamo.inference.model_digest import model_digest
from decamo.inference.predictor import Predictor
from decamo.inference.views import PreparedImage
from decamo.settings import TrainSettings
from decamo.settings.network_names import is_code
from decamo.settings.words import counted
from decamo.storage import RunFolder, make_folder
from decamo.training.label_check import HeldOut, checked_labels, unmet
from decamo.training.label_index import LabelIndex, PseudoLabel, Sighting, sighting_of
from decamo.training.runtime import Runtime, release
from decamo.training.step import load_taught

__all__ = ["Labelling", "label_photographs"]

_EVERY = 100  # labels, after which the index is written: so many are lost to a kill at most
_AHEAD = 4  # photographs that each thread may be ahead of the network


@dataclass(frozen=True)
class Labelling:
    """What came of the photographs.

    Attributes:
        labels: of each that can be read, with where it lies; equal bytes once.
        index: that holds them.
        bad: the others.
        made: how many were labelled now.
        lines: how photographs of more than 8 bits are read, and how good labels are on images held
            out; where there is anything to be said.
    """

    labels: tuple[tuple[Path, PseudoLabel], ...]
    index: LabelIndex
    bad: tuple[BadFile, ...]
    made: int = 0
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Labeller:
    """Which network labels, and where it is told of."""

    flag: str
    path: Path
    network: str

    @staticmethod
    def of(settings: TrainSettings) -> "_Labeller":
        optimise, resume_from = settings.optimise, settings.run.resume_from
        if optimise.teacher is not None:
            return _Labeller("--teacher", optimise.teacher, optimise.teacher_network)
        if resume_from is None:  # choose_settings has refused that
            raise DataError("--unlabelled", "no network labels", "give --teacher CHECKPOINT")
        network = settings.model.network
        return _Labeller("--resume-from", resume_from, network if is_code(network) else "")

    def digest(self) -> str:
        if not self.path.exists():
            load_taught(self.path, self.network, self.flag)  # says so in a line
        return model_digest(self.path, self.network)


def label_photographs(
    photographs: Sequence[Path],
    settings: TrainSettings,
    folder: RunFolder,
    runtime: Runtime,
    checkpoint: Checkpoint | None,
    *,
    held: HeldOut,
    ear: Ear,
    on_progress: Callable[[int, int], None],
) -> Labelling:
    """Label what has no label yet.

    With ``--teacher`` a label counts that this very network gave. Without it the checkpoint that
    the run goes on from labels; but once a run has trained under labels they stay, as they do where
    the teacher's file is gone, and only photographs that it has not met are labelled by what it is
    now.

    Args:
        photographs: absolute paths.
        settings: of the run.
        folder: of the run, where labels are kept.
        runtime: whose first process labels; the others find what it has left.
        checkpoint: that the run goes on from.
        held: images to check labels by, where any are made.
        ear: listened to meanwhile.
        on_progress: called with (photographs labelled, those to be labelled).

    Raises:
        DataError: the labels that the run trained under are gone.
        CheckpointError: the network cannot be had.
        StopAsked: there was a reason to stop; the labels made so far are kept.
        StorageError: a mask cannot be written.
    """
    labeller = _Labeller.of(settings)
    index = _index_of(folder, settings, runtime)
    trained = present_labels(checkpoint.images if checkpoint else None)
    stays = settings.optimise.teacher is None or not labeller.path.exists()
    by = None if trained and stays else labeller.digest()
    usable = {label.digest for label in index.usable(by)}
    if trained and by is None and not usable.intersection(trained):
        raise DataError(
            index.path,
            f"the pseudo-labels that this run has trained under are gone ({len(trained)} of them)",
            "bring that folder back, or give --teacher CHECKPOINT, which labels anew",
        )
    threads = max(settings.data.num_workers, 1)
    look = partial(sighting_of, known=index.by_path())
    seen, bad = _seen(photographs, look, threads, ear)
    todo = [one for one in seen if one.digest not in usable]
    moved = [index.move(one) for one in seen if one.digest in usable]
    lines: tuple[str, ...] = ()
    if not runtime.is_main:
        known = {one.path for one in index.bad}
        if lacking := [one for one in todo if one.path not in known]:
            got = f"{counted(len(lacking), 'label')} of the first process are not to be seen"
            raise DataError(index.folder, got, "name a --checkpoint-dir that all processes share")
        bad = list(index.bad)
    elif todo:
        work = _Work(index, labeller, by or labeller.digest(), threads, ear, on_progress)
        lines = work.label(todo, settings, runtime, held, fresh=not usable)
        bad += work.bad
    failed = {one.path for one in bad}
    kept = tuple((s.path, index.labels[s.digest]) for s in seen if s.path not in failed)
    made = sum(one.path not in failed for one in todo)
    if runtime.is_main and (todo or any(moved) or tuple(bad) != index.bad):
        index.bad = tuple(bad)
        make_folder(index.folder)
        index.write()
    return Labelling(kept, index, tuple(bad), made, lines)


def _index_of(folder: RunFolder, settings: TrainSettings, runtime: Runtime) -> LabelIndex:
    """The run folder's index, with what lies beside the checkpoint that it goes on from."""
    index, resume_from = LabelIndex.read(folder.pseudo_labels), settings.run.resume_from
    if resume_from is not None and runtime.is_main:
        other = RunFolder(resume_from.parent).pseudo_labels
        if other.resolve() != index.folder.resolve() and other.is_dir():
            index.adopt(LabelIndex.read(other))
            index.write()
    return index


def _seen(
    photographs: Sequence[Path], look: Callable[[Path], Sighting], threads: int, ear: Ear
) -> tuple[list[Sighting], list[BadFile]]:
    """The photographs, of equal bytes the first one, and those that cannot be read."""
    seen: dict[str, Sighting] = {}
    bad: list[BadFile] = []
    looks = ReadAhead(
        look, photographs, threads=threads, ahead=_AHEAD * threads,
        patience=Patience(ear.give_up_s), name=lambda path: path,
    )  # fmt: skip
    with closing(looks):
        for path in photographs:
            try:
                one = looks.next(ear).result()
                seen.setdefault(one.digest, one)
            except UnreadableImage as error:
                bad.append(_bad(path, error))
            ear.heed()
    return list(seen.values()), bad


def _bad(path: Path, error: UnreadableImage) -> BadFile:
    return BadFile(path.stem, path, error.got)


@dataclass
class _Work:
    """A network that labels photographs, one after the other; threads read ahead of it."""

    index: LabelIndex
    labeller: _Labeller
    digest: str
    threads: int
    ear: Ear
    on_progress: Callable[[int, int], None]

    def __post_init__(self) -> None:
        self.bad: list[BadFile] = []

    def label(
        self,
        todo: Sequence[Sighting],
        settings: TrainSettings,
        runtime: Runtime,
        held: HeldOut,
        *,
        fresh: bool,
    ) -> tuple[str, ...]:
        """Label them; returns what is to be said.

        Args:
            todo: photographs without a label.
            settings: of the run.
            runtime: whose device computes.
            held: images to check labels by.
            fresh: whether no label is kept, so that how photographs are read is still open.
        """
        loaded = load_taught(self.labeller.path, self.labeller.network, self.labeller.flag)
        data, line = settings.data, ""
        if fresh:
            files = [one.path for one in todo]
            decided = rule_for_images(files, loaded.rules, max_pixels=data.max_pixels, ear=self.ear)
            self.index.scale, line = decided.rule.scale, decided.line
        rule = ReadingRule(scale=self.index.scale, max_pixels=data.max_pixels)
        # In float32 and one at a time, as `decamo predict` has it by default.
        predictor = Predictor(loaded.model.to(runtime.device), loaded.img_size, runtime.device)
        make_folder(self.index.folder)
        try:
            self._label_each(todo, predictor, rule)
        finally:  # also where it was asked to stop: nothing is labelled twice
            self.index.write()
        pairs, least = unmet(held, loaded.images), data.unlabelled_confidence
        checked = checked_labels(predictor, pairs, least, self.ear)
        del loaded, predictor
        release(runtime.device)
        return tuple(one for one in (line, checked) if one)

    def _label_each(
        self, todo: Sequence[Sighting], predictor: Predictor, rule: ReadingRule
    ) -> None:
        def read(one: Sighting) -> PreparedImage:
            image = read_image(one.path, rule=rule)
            predictor.enter_thread()
            return predictor.prepare(image)

        reads = ReadAhead(
            read, todo, threads=self.threads, ahead=_AHEAD * self.threads,
            patience=Patience(self.ear.give_up_s), name=lambda one: one.path,
        )  # fmt: skip
        with closing(reads):
            for done, one in enumerate(todo, start=1):
                try:
                    label = label_by(predictor, reads.next(self.ear).result())
                    self.index.add(one, label.mask, label.confidence, self.digest)
                except UnreadableImage as error:
                    self.bad.append(_bad(one.path, error))
                self.ear.heed()
                if done % _EVERY == 0:
                    self.index.write()
                self.on_progress(done, len(todo))
