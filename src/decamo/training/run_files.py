"""What a run reads and writes, compared before anything is written."""

from collections.abc import Sequence

from decamo.settings import TrainSettings
from decamo.storage import RunFolder
from decamo.storage.outputs import Read, Written, check_outputs

__all__ = ["check_run_outputs", "reads_of"]


def reads_of(settings: TrainSettings) -> list[Read]:
    """All files and data sets that a run with these settings reads."""
    named = {
        "--resume-from": settings.run.resume_from,
        "--backbone-weights": settings.model.backbone_weights,
        "--teacher": settings.optimise.teacher,
    }
    files = [Read(flag, path) for flag, path in named.items() if path is not None]
    return files + [Read("--dataset-path", path) for path in settings.data.dataset_path]


def check_run_outputs(
    settings: TrainSettings, reads: Sequence[Read] = (), writes: Sequence[Written] = ()
) -> None:
    """Refuse a run that would write over what it reads.

    The checkpoint that it goes on from and its own ``config.toml`` may lie in the run folder: the
    one is copied there first, as is the other where a person wrote it.

    Args:
        settings: of the run.
        reads: files that no setting names.
        writes: outside of the run folder.

    Raises:
        SettingsError: names both.
    """
    folder = RunFolder(settings.run.checkpoint_dir)
    reads = [*reads_of(settings), *reads]
    check_outputs([*reads, Read("--checkpoint-dir", folder.root)], writes)
    kept = ("--resume-from", "--config", "CHECKPOINT")
    home = folder.root.resolve()
    others = [r for r in reads if r.flag not in kept or r.path.resolve().parent != home]
    check_outputs(others, [*folder.written(), *writes])
