"""What is to be written of predictions, and how: the flags that go together."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decamo.cluster.worker_crew import Workers
from decamo.data.inside import Notation
from decamo.errors import SettingsError
from decamo.inference.inputs import Found
from decamo.inference.shard import WHOLE, InputShard
from decamo.inference.smoothing import Smoothing

__all__ = ["PredictRequest"]


@dataclass(frozen=True)
class PredictRequest:
    """What is to be written, and how.

    Attributes:
        out: folder of the pictures.
        batch: images that go through the network together.
        experts: also draw where each expert fires.
        write: notation of annotations; None for none.
        instances: each connected region is an instance.
        shard: which share of the inputs.
        jsonl: file of the lines; None for none.
        resume: go on from these lines.
        overlay: of an image, also the image with the object in orange; of a video its frames with
            it in the place of grey maps.
        smooth: of a video: seconds of the moving average of its maps; 0 for none.
        workers: of a cluster, that predict; None for this process.

    Raises:
        SettingsError: flags that cannot be meant together.
    """

    out: Path
    batch: int = 1
    experts: bool = False
    write: Notation | None = None
    instances: bool = False
    shard: InputShard = WHOLE
    jsonl: Path | None = None
    resume: bool = False
    overlay: bool = False
    smooth: float = 0.0
    workers: Workers | None = None

    def __post_init__(self) -> None:
        Smoothing(self.smooth)
        if self.instances and self.write is None:
            raise SettingsError(
                "--instances", "there is no --write", "say what to write: --write coco"
            )
        if self.batch < 1:
            raise SettingsError("--batch", f"got {self.batch}", "1 is one image at a time")
        if self.resume and self.jsonl is None:
            remedy = "name the file where the first run began its lines: --jsonl FILE"
            raise SettingsError("--resume", "there is no --jsonl", remedy)

    def options(self) -> dict[str, Any]:
        """What of it makes files what they are, by flag."""
        return {
            "--out": str(self.out),
            "--experts": self.experts,
            "--write": self.write and str(self.write),
            "--instances": self.instances,
            "--shard": str(self.shard),
            "--overlay": self.overlay,
            "--smooth": self.smooth,
        }

    def insist_on_kinds(self, found: Found) -> None:
        """Refuse flags of images where a video was given, and those of videos where none was.

        Raises:
            SettingsError: names the flag.
        """
        if self.smooth and not found.videos:
            raise SettingsError("--smooth", "no video was named", "leave it out, or name a video")
        for flag, given in (("--experts", self.experts), ("--write", self.write is not None)):
            if given and found.videos:
                got = f"{found.videos[0].source} is a video"
                raise SettingsError(flag, got, "leave it out, or name images alone")
        if self.workers is not None and found.videos:
            got = f"{found.videos[0].source} is a video, whose frames are one after the other"
            raise SettingsError("--on", got, "leave it out, or name images alone")
