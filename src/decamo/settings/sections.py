"""What a user may choose about data, network, optimisation and the run itself."""

from dataclasses import dataclass, field
from pathlib import Path

from decamo.errors import SettingsError
from decamo.settings.addresses import check_address
from decamo.settings.loss_weights import loss_weights_of
from decamo.settings.network_names import network_spec
from decamo.settings.option import at_least, one_of, option, within
from decamo.settings.schedule import ScheduleSettings
from decamo.settings.words import seconds_of

__all__ = ["DataSettings", "ModelSettings", "OptimizerSettings", "RunSettings", "TrainSettings"]

NONCAM = ("drop", "negatives")
CACHES = ("auto", "ram", "disk", "off")
RESUMES = ("never", "auto")
DIVERGENCE = ("rollback", "stop")
PLATEAU = ("continue", "stop", "escape")
TRACKERS = ("tensorboard", "wandb", "mlflow", "trackio", "none")
PRECISIONS = ("auto", "fp32", "fp16", "bf16")


@dataclass(frozen=True)
class DataSettings:
    """Where images come from and which of them train."""

    dataset_path: tuple[Path, ...] = option(
        (), "folder of a data set; give it several times, or several folders, to train on all"
    )
    noncam: str = option(
        "drop",
        "images without a camouflaged object (empty masks): leave out, or train on as negatives",
        choices=NONCAM,
    )
    train_on: tuple[str, ...] = option(
        (),
        "train on the folders or files of these names or patterns alone, such as 'TR-*', where"
        " their own names do not say which half of a data set they are",
    )
    test_on: tuple[str, ...] = option(
        (), "never train on the folders or files of these names or patterns, such as 'part_B'"
    )
    mask_suffix: str = option(
        "",
        "what the names of masks have behind those of their images, such as _mask; found by itself"
        " where it is not given",
    )
    val_fraction: float = option(
        0.1, "share of the training images held out to choose the best checkpoint"
    )
    group_by: str = option(
        "auto",
        "images that stay on one side of the hold-out: auto (frames of a video, near copies), none,"
        " or those in whose DATASET/NAME this regular expression finds the same text",
    )
    unlabelled: tuple[Path, ...] = option(
        (),
        "also train on the photographs of these folders, which have no masks: before the first step"
        " the network of --teacher, or of the checkpoint that the run goes on from, labels them",
    )
    unlabelled_confidence: float = option(
        0.7, "expected IoU from which on a pseudo-label trains; others are left out"
    )
    cache: str = option(
        "off",
        "decode and squash the images once, and keep them in shared memory or in --cache-dir:"
        " faster, and a crop of them is softer, which can cost much IoU; off reads the files each"
        " time",
        choices=CACHES,
    )
    cache_dir: Path | None = option(
        None, "folder that --cache disk keeps them in (default: decamo in the user's cache folder)"
    )
    num_workers: int = option(4, "processes that read images; 0 reads in the main one")
    mask_values: tuple[str, ...] = option(
        (),
        "what the masks' values mean, where the first lines say it wrongly: object=1 void=255"
        " [ground=0], object=1-90 or object=#ff0000; VOC:object=15 for the data set VOC alone",
    )
    max_pixels: int = option(
        300_000_000, "largest image that is decoded; a larger one is left out", unit="px"
    )
    data_timeout: str = option(
        "3m", "save and end with exit code 75 where a file is not read to its end for so long"
    )

    def __post_init__(self) -> None:
        one_of("noncam", self.noncam, NONCAM)
        within("val_fraction", self.val_fraction, 0.001, 0.9)
        within("unlabelled_confidence", self.unlabelled_confidence, 0, 1)
        one_of("cache", self.cache, CACHES)
        at_least("num_workers", self.num_workers, 0)
        at_least("max_pixels", self.max_pixels, 1)
        seconds_of("data_timeout", self.data_timeout)


@dataclass(frozen=True)
class ModelSettings:
    """The network: a timm backbone, experts at each pyramid level, a top-down decoder."""

    backbone: str = option("edgenext_base", "a timm model that can give feature pyramids")
    num_experts: int = option(1, "experts at each pyramid level", unit="experts")
    experts: tuple[str, ...] = option(
        (),
        "the kinds of the experts by name, in their order, instead of --num-experts: texture,"
        " 'global context', contrast, frequency, edges, 'wide texture', strips, or registered ones",
    )
    zoom: float = option(
        1.0, "enlarge the image before the backbone: finer features of the same pixels, for time"
    )
    fovea: float = option(
        1.0,
        "look twice: the backbone sees the image at this share of its side, such as 0.5, then a"
        " window around what was found at as many pixels; 1 looks once",
    )
    pretrained: bool = option(True, "start the backbone from ImageNet weights")
    backbone_weights: Path | None = option(
        None, "start the backbone from this file instead (a state dict; loaded safely)"
    )
    input_mean: tuple[float, float, float] | None = option(
        None, "mean of the input channels, RGB in [0,1] (default: the backbone's own)"
    )
    input_std: tuple[float, float, float] | None = option(
        None, "standard deviation of the input channels (default: the backbone's own)"
    )
    gradient_checkpointing: bool = option(
        False, "spend time to save memory: recompute the backbone in the backward pass"
    )
    network: str = option(
        "decamo",
        "decamo, which has the experts; or another: smp:FPN of segmentation-models-pytorch with"
        " --backbone as encoder, transformers:CLASS[@CONFIG], FILE.py:FUNCTION that gives a module,"
        " or a registered name",
    )
    backbone_prefix: str = option(
        "",
        "attribute of another --network that is its backbone, or several, 'layer1 layer2'; found"
        " by itself where it is not given",
    )
    output: str = option(
        "", "index or name of the logits where another --network returns several maps"
    )

    def __post_init__(self) -> None:
        network_spec(self.network)
        within("num_experts", self.num_experts, 1, 28)
        within("experts", len(self.experts), 0, 28)
        within("zoom", self.zoom, 1, 4)
        within("fovea", self.fovea, 0.125, 1)
        for name, triple in (("input_mean", self.input_mean), ("input_std", self.input_std)):
            if triple is not None:
                for value in triple:
                    within(name, value, 0 if name == "input_mean" else 1e-6, 1)


@dataclass(frozen=True)
class OptimizerSettings:
    """Loss, optimizer, scales and weight averaging."""

    deep_supervision: bool = option(False, "also train a prediction at every pyramid level")
    loss_weights: tuple[str, ...] = option(
        (),
        "weights of terms of the loss that are not to have their usual ones, such as bce=0"
        " boundary=0, which leaves the IoU and finds more of large objects at a threshold of 0.5",
    )
    multi_scale: tuple[float, ...] = option(
        (1.0,), "magnifications of the images, one drawn for each optimizer step: 0.8 1 1.2"
    )
    teacher: Path | None = option(
        None, "also follow the maps of this checkpoint's network: time now, none when predicting"
    )
    teacher_network: str = option(
        "", "FILE.py:FUNCTION, where the teacher's network comes from a file of its own"
    )
    weight_decay: float = option(0.01, "decoupled weight decay of AdamW")
    clip_grad: float = option(1.0, "largest gradient norm; 0 does not clip")
    use_ema: bool = option(False, "validate and ship an exponential moving average of the weights")
    ema_decay: float = option(0.999, "decay of that average, reached by a warm-up", unit="per step")
    reset_moments: bool = option(False, "forget Adam's moments at a resume")

    def __post_init__(self) -> None:
        loss_weights_of(self.loss_weights)
        if not self.multi_scale:
            raise SettingsError("--multi-scale", "got no scale", "1 is the image as it is")
        for scale in self.multi_scale:
            within("multi_scale", scale, 0.25, 4)
        within("weight_decay", self.weight_decay, 0, 1)
        at_least("clip_grad", self.clip_grad, 0)
        within("ema_decay", self.ema_decay, 0, 0.999999)


@dataclass(frozen=True)
class RunSettings:
    """Where and how the run takes place."""

    checkpoint_dir: Path = option(Path("runs/latest"), "the run folder")
    resume_from: Path | None = option(None, "go on from this checkpoint")
    resume: str = option(
        "never",
        "auto: if the run folder holds this run, go on from its newest checkpoint; so one and the"
        " same command serves every session",
        choices=RESUMES,
    )
    budget: str | None = option(
        None, "stop and save before this much time is over, such as 11h30m; exit code 75"
    )
    keep_last: int = option(0, "also keep the checkpoints of the last N epochs", unit="epochs")
    keep_every: int = option(0, "also keep the checkpoint of every Nth epoch", unit="epochs")
    on_divergence: str = option(
        "rollback",
        "after 20 steps without a finite gradient: go back to the last checkpoint with half the"
        " learning rates (three times at most), or stop",
        choices=DIVERGENCE,
    )
    on_plateau: str = option(
        "continue",
        "where stage 2 stands still: train on; stop; or escape, which races branches from there in"
        " the run folder and goes on with what beats the run left alone, once a plan",
        choices=PLATEAU,
    )
    tracker: tuple[str, ...] = option(
        ("tensorboard",),
        "where the run's numbers are shown as it goes on, one or several: tensorboard, wandb,"
        " mlflow, trackio; or none",
    )
    mirror: str | None = option(
        None,
        "address such as s3://BUCKET/runs/x, to which each checkpoint is copied while the run goes"
        " on; with --resume auto an empty run folder is filled from there",
    )
    device: str = option("auto", "auto, cpu, cuda or cuda:N")
    precision: str = option("auto", "number format of the forward pass", choices=PRECISIONS)
    seed: int = option(0, "one number that fixes initial weights, data order and augmentation")

    def __post_init__(self) -> None:
        one_of("precision", self.precision, PRECISIONS)
        one_of("resume", self.resume, RESUMES)
        one_of("on_divergence", self.on_divergence, DIVERGENCE)
        one_of("on_plateau", self.on_plateau, PLATEAU)
        for kind in self.tracker:
            one_of("tracker", kind, TRACKERS)
        if "none" in self.tracker and len(self.tracker) > 1:
            raise SettingsError("--tracker", f"got {' '.join(self.tracker)}", "give none alone")
        at_least("keep_last", self.keep_last, 0)
        at_least("keep_every", self.keep_every, 0)
        if self.budget is not None:
            seconds_of("budget", self.budget)
        if self.mirror is not None:
            check_address("--mirror", self.mirror)
        within("seed", self.seed, 0, 2**63 - 1)
        kind, _, index = self.device.partition(":")
        bare = not index or (kind == "cuda" and index.isdigit())
        known = kind in ("auto", "cpu", "cuda") and bare
        if not known or self.device.endswith(":"):
            raise SettingsError(
                "--device", f"got {self.device!r}", "choose auto, cpu, cuda or cuda:N"
            )


@dataclass(frozen=True)
class TrainSettings:
    """Everything ``decamo train`` takes, by section; the sections are those of ``config.toml``."""

    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    optimise: OptimizerSettings = field(default_factory=OptimizerSettings)
    run: RunSettings = field(default_factory=RunSettings)
