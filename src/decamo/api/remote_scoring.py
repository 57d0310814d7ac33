"""Cases that workers of a cluster predict and score."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from decamo.api.model import Model
from decamo.api.remote_network import (
    RemoteNetwork,
    network_files,
    precision_there,
    remote_network,
    some_files,
    threads_of,
)
from decamo.cluster.place import hired
from decamo.cluster.worker_crew import BlockWork, Needs, WorkerCrew, Workers, block_size
from decamo.data.census import BadFile
from decamo.data.read_ahead import patient_read
from decamo.data.waiting import Ear
from decamo.errors import SettingsError, UnreadableImage
from decamo.evaluation import (
    Case,
    CaseSet,
    Dropped,
    ImageResult,
    Job,
    Measurer,
    Method,
    Rules,
    read_truth,
)
from decamo.evaluation.network import NetworkMethod, network_jobs
from decamo.export.exported_predictor import is_exported
from decamo.storage.spilled import Picked

__all__ = ["CrewMeasurer", "RemoteMethod", "RemoteScoring", "remote_measurer"]

_Result = ImageResult | Dropped | BadFile


@dataclass(frozen=True)
class RemoteJob(Job):
    """A case whose map a worker makes.

    Attributes:
        network: that makes it.
    """

    network: RemoteNetwork | None = None


@dataclass(frozen=True)
class RemoteMethod:
    """A network that is scored elsewhere.

    Attributes:
        method: as it would be scored here.
        network: as workers load it.
        precision: that it computes with there.
    """

    method: NetworkMethod
    network: RemoteNetwork
    precision: str

    @property
    def name(self) -> str:
        """What it is scored under."""
        return self.method.name

    @property
    def facts(self) -> dict[str, Any]:
        """What the protocol says of it."""
        return self.method.facts | {"precision": self.precision}

    def extra(self, cases: CaseSet) -> tuple[Path, ...]:
        """A network makes no map that was not asked for."""
        return self.method.extra(cases)

    def reading(self, cases: CaseSet) -> str:
        """Its maps are 8-bit grey levels."""
        return self.method.reading(cases)

    def origins(self, cases: CaseSet) -> Sequence[Sequence[Any]]:
        """Of each case the network, and how it looks."""
        facts, every = self.facts, self.method.origins(cases)
        return Picked.each(every, lambda origin: (origin[0], facts))

    def jobs(self, cases: CaseSet, places: Sequence[int] | None = None) -> Iterator[Job]:
        """A job for each case, or for those at some places."""
        wanted = range(len(cases.cases)) if places is None else places
        return (RemoteJob(cases.cases[n], None, network=self.network) for n in wanted)


@dataclass(frozen=True)
class RemoteScoring(BlockWork[Job, _Result]):
    """What a worker does with cases.

    Attributes:
        rules: by which is scored.
        with_images: whether images are looked at, for groups by contrast.
        threads: that read.
        give_up_s: seconds after which a file that is not read is given up.
    """

    rules: Rules
    with_images: bool
    threads: int
    give_up_s: float

    def open(self) -> Callable[[Sequence[Job], Callable[[str], None]], Sequence[_Result]]:
        """Networks are loaded when the first case asks for them."""
        return self._score

    def name(self, item: Job) -> str:
        """Its mask."""
        return str(item.case.mask)

    def _score(self, block: Sequence[Job], say: Callable[[str], None]) -> list[_Result]:
        """Of a block that is all of one method.

        Raises:
            DecamoError: as of :func:`~decamo.evaluation.measure_job`, or of the network.
        """
        ear = Ear(say=say, give_up_s=self.give_up_s)
        network = block[0].network if isinstance(block[0], RemoteJob) else None
        with Measurer(1, self.rules, ear) as here:
            if network is None:
                return list(here.results(block))
            jobs = network_jobs(
                network.load().predictor,
                [job.case for job in block],
                batch=len(block),
                threads=self.threads,
                rules=self.rules,
                with_images=self.with_images,
                ear=ear,
            )
            return list(here.results(jobs))


@dataclass(frozen=True)
class CrewMeasurer:
    """Workers that score.

    Attributes:
        rules: by which is scored.
        crew: the workers.
        work: what they do.
        ear: listened to meanwhile.
    """

    rules: Rules
    crew: WorkerCrew
    work: RemoteScoring
    ear: Ear

    def results(
        self, jobs: Iterable[Job], on_done: Callable[[], None] = lambda: None
    ) -> Iterator[_Result]:
        """Results in the order of the jobs, which are all of one method.

        Raises:
            DecamoError: as of a :class:`~decamo.evaluation.Measurer`, or of the cluster.
        """
        every = list(jobs)
        size = block_size(len(every), self.crew.count)
        found = self.crew.results(
            self.work, every, total=len(every), block=size, ordered=True, heed=self.ear.heed
        )
        with closing(found):
            for job, result in zip(every, found, strict=True):
                if isinstance(result, BadFile):
                    self._believe(job.case, result)
                yield result
                on_done()

    def _believe(self, case: Case, bad: BadFile) -> None:
        """Read here what a worker could not.

        Raises:
            SettingsError: it can be read here.
        """
        try:
            truth, _ = patient_read(
                lambda one: read_truth(one, with_image=one.pair is not None), case, self.ear
            )
        except UnreadableImage:
            return
        if truth.void is None or not truth.void.all():
            got = f"a worker cannot read {bad.path}, and this machine can: {bad.reason}"
            raise SettingsError("--on", got, "name a path that all nodes share")


@contextmanager
def remote_measurer(
    wanted: Workers,
    methods: Sequence[tuple[Method, Model | None]],
    sets: Sequence[CaseSet],
    work: RemoteScoring,
    ear: Ear,
) -> Iterator[tuple[CrewMeasurer, list[Method]]]:
    """Workers that score, and the methods as they do; for as long as this block takes.

    Args:
        wanted: where, and how many.
        methods: each with its network, where it is one.
        sets: that will be scored.
        work: what is done with a case.
        ear: listened to, and told what happens to workers.

    Raises:
        DecamoError: the cluster cannot be used.
    """
    models = [model for _, model in methods if model is not None]
    torch_models = [model for model in models if not is_exported(model.path)]
    needs = Needs(
        [*_files(sets), *(file for model in models for file in network_files(model))],
        threads=max(map(threads_of, models), default=1),
        gpus=bool(torch_models),
    )
    with hired(wanted, needs, ear.say) as crew:
        remote: list[Method] = []
        for method, model in methods:
            if model is None or not isinstance(method, NetworkMethod):
                remote.append(method)
                continue
            network = remote_network(model, crew.device, wanted.precision)
            if is_exported(model.path):
                network = replace(network, device="cpu")
            remote.append(RemoteMethod(method, network, precision_there(network, crew)))
        yield CrewMeasurer(work.rules, crew, work, ear), remote


def _files(sets: Sequence[CaseSet]) -> list[Path]:
    """A few of the masks and images."""
    masks: list[Path] = []
    images: list[Path] = []
    for one in sets:
        masks += some_files(Picked.each(one.cases, lambda case: case.mask))
        pairs = Picked.where(one.cases, lambda case: case.pair is not None)
        images += some_files(Picked.each(pairs, _image_of))
    return some_files(masks) + some_files(images)


def _image_of(case: Case) -> Path:
    assert case.pair is not None
    return case.pair.image
