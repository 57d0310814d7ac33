"""One exception tree: everything a user can mend is a :class:`DecamoError`.

::

    DecamoError                  one line: what, got, remedy; the command line exits with 2
    ├── SettingsError            a flag or a key of a config file cannot be meant
    │   └── FolderInUse          another living process has the folder
    ├── DataError                a data set is missing, empty or contradicts itself
    │   ├── UnreadableImage      one file cannot be decoded (named; skipped with a count)
    │   ├── DataStalled          a file is not read to its end, however long one waits
    │   └── TooManyBadImages     over 1 % of a data set cannot be decoded
    ├── ModelError               the network cannot be built as asked
    │   ├── UnknownBackbone      timm knows no such feature extractor
    │   └── WeightsUnavailable   pretrained weights cannot be had or do not fit
    ├── CheckpointError          a checkpoint cannot be used
    │   ├── CheckpointMissing    no such file
    │   ├── CheckpointDamaged    truncated or altered: its digest does not match
    │   ├── CheckpointForeign    not written by decamo; never executed
    │   └── CheckpointMismatch   its network is not the one the flags describe
    ├── ExportError              a network cannot be exported, or gives other maps then
    ├── HubError                 a network cannot be put on the hub
    ├── MissingExtra             a package is not installed that only some commands need
    ├── ClusterError             a task's worker or node dies again and again
    ├── StorageError             the disk is full, read-only or gone
    │   └── AddressError         an address such as s3://bucket/x cannot be used
    │       ├── AddressMissing   no such file or bucket
    │       └── AddressUnreachable   it does not answer now; later it may
    ├── MemoryExhausted          not even the smallest piece of work fits into memory
    ├── PeerLost                 another process of the same run has ended (exit code 75)
    ├── RateMismatch             a learning rate was applied that the plan does not have
    └── TrainingDiverged         loss or gradient stayed non-finite
"""

__all__ = [
    "AddressError",
    "AddressMissing",
    "AddressUnreachable",
    "CheckpointDamaged",
    "CheckpointError",
    "CheckpointForeign",
    "CheckpointMismatch",
    "CheckpointMissing",
    "ClusterError",
    "DataError",
    "DataStalled",
    "DecamoError",
    "ExportError",
    "FolderInUse",
    "HubError",
    "MemoryExhausted",
    "MissingExtra",
    "ModelError",
    "PeerLost",
    "RateMismatch",
    "SettingsError",
    "StorageError",
    "TooManyBadImages",
    "TrainingDiverged",
    "UnknownBackbone",
    "UnreadableImage",
    "WeightsUnavailable",
]


class DecamoError(Exception):
    """A mistake a person can mend, told in one line.

    Args:
        what: the flag, file or thing at fault, such as ``--min-lr`` or a path.
        got: what was found there, in a few words.
        remedy: what to do now; complete enough to act on.

    Attributes:
        exit_code: of a command that ends with it.
    """

    exit_code = 2

    def __init__(self, what: object, got: str, remedy: str) -> None:
        self.what = " ".join(str(what).splitlines())  # a path may hold a line break
        self.got = " ".join(got.split())
        self.remedy = " ".join(remedy.split())
        super().__init__(what, got, remedy)  # the three arguments, so that it survives pickling

    def __str__(self) -> str:
        return f"{self.what}: {self.got}; {self.remedy}"


class SettingsError(DecamoError):
    """A flag or a key of a config file cannot be meant."""


class FolderInUse(SettingsError):
    """Another living process has the folder."""


class DataError(DecamoError):
    """A data set is missing, empty or contradicts itself."""


class UnreadableImage(DataError):
    """One file cannot be decoded."""


class DataStalled(DataError):
    """A file is not read to its end, however long one waits."""


class TooManyBadImages(DataError):
    """Over 1 % of a data set cannot be decoded."""


class ModelError(DecamoError):
    """The network cannot be built as asked."""


class UnknownBackbone(ModelError):
    """The library of backbones knows no such feature extractor."""


class WeightsUnavailable(ModelError):
    """Pretrained weights cannot be had or do not fit."""


class CheckpointError(DecamoError):
    """A checkpoint cannot be used."""


class CheckpointMissing(CheckpointError):
    """There is no such file."""


class CheckpointDamaged(CheckpointError):
    """The file is truncated or altered: its digest does not match."""


class CheckpointForeign(CheckpointError):
    """The file was not written by decamo; nothing in it is executed."""


class CheckpointMismatch(CheckpointError):
    """The network in the file is not the one that the flags describe."""


class ExportError(DecamoError):
    """A network cannot be exported, or the exported one gives other maps."""


class HubError(DecamoError):
    """A network cannot be put on the hub."""


class MissingExtra(DecamoError):
    """A package is not installed that only some commands need."""


class ClusterError(DecamoError):
    """A task's worker or node dies again and again."""


class StorageError(DecamoError):
    """The disk is full, read-only or gone."""


class AddressError(StorageError):
    """An address such as ``s3://bucket/x`` cannot be used: no rights, no credentials."""


class AddressMissing(AddressError):
    """There is no such file or bucket at an address."""


class AddressUnreachable(AddressError):
    """What is at an address does not answer now; later it may."""


class MemoryExhausted(DecamoError):
    """Not even the smallest piece of work fits into the device's memory."""


class PeerLost(DecamoError):
    """Another process of the same run has ended, or does not answer.

    Its exit code is 75, as the same command goes on, or that of the other process where that one
    ended with a mistake of its own.
    """

    exit_code = 75


class RateMismatch(DecamoError):
    """The optimizer's learning rate at an epoch's first step is not the one that is printed."""


class TrainingDiverged(DecamoError):
    """Loss or gradient stayed non-finite for too many steps in a row."""
