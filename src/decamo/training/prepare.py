"""From settings to a trainer that is ready to run: data, network, lineage, state."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from decamo.checkpoint import Best, Checkpoint
from decamo.data.augment import draw_augmentation
from decamo.data.cache.opening import Pool
from decamo.data.dataset import CamouflageDataset, Draw
from decamo.data.pairs import Pair
from decamo.data.pseudo_pairs import labels_changed
from decamo.data.rules import VOID
from decamo.data.stream import squashed_images
from decamo.data.waiting import Ear
from decamo.errors import CheckpointMismatch
from decamo.losses import Criterion
from decamo.nn import (
    SegmentationNetwork,
    build_network,
    calibrate_batchnorm,
    needs_calibration,
)
from decamo.nn.build import check_sizes, is_fresh, refuse_unbuildable
from decamo.nn.networks import differences_in
from decamo.nn.segmenter import completed
from decamo.schedule import Resumption, SegmentKind, unfrozen_before
from decamo.settings import TrainSettings, flag_of, shown
from decamo.settings.loss_weights import loss_weights_of
from decamo.settings.network_names import OWN_NETWORK
from decamo.settings.words import seconds_of
from decamo.storage import RunFolder
from decamo.training.checkpoint_manager import CheckpointManager
from decamo.training.data_splits import DataSplits
from decamo.training.optimizer_groups import build_optimizer
from decamo.training.resumption import resumption_of
from decamo.training.runtime import Runtime
from decamo.training.stability import StabilityMonitor
from decamo.training.state import Ema, GuardedScaler, TrainState
from decamo.training.step import Stepper, followed_teacher, load_teacher
from decamo.training.trainer import Trainer
from decamo.training.training_batches import TrainingBatches, sources_of
from decamo.training.validation import Validator

__all__ = ["Parts", "Prepared", "check_architecture", "ear_of", "prepare"]

# Images from which the statistics of an untrained backbone's BatchNorm are estimated.
_CALIBRATION_IMAGES = 64
_CALIBRATION_BATCH = 8


@dataclass(frozen=True)
class Parts:
    """What a run is put together from; the defaults are those of ``decamo train``.

    Attributes:
        build: called as :func:`decamo.nn.build_network` is.
        draw: how training images are augmented.
    """

    build: Callable[..., SegmentationNetwork] = build_network
    draw: Draw = draw_augmentation


@dataclass(frozen=True)
class Prepared:
    """A trainer, and what a person wants to know before it runs."""

    trainer: Trainer
    resumption: Resumption
    splits: DataSplits


def prepare(
    settings: TrainSettings,
    folder: RunFolder,
    runtime: Runtime,
    splits: DataSplits,
    checkpoint: Checkpoint | None,
    *,
    stop: Callable[[], str],
    clock: Callable[[], float],
    waiting: Callable[[], str] = lambda: "",
    parts: Parts = Parts(),
    pool: Pool | None = None,
    say: Callable[[str], None] = lambda line: None,
    on_squares: Callable[[int, int], None] = lambda done, total: None,
) -> Prepared:
    """Put a run together.

    Args:
        settings: what the user chose; on a resume already laid over the checkpoint's own.
        folder: the run folder, open.
        runtime: device and ranks.
        splits: the images.
        checkpoint: to go on from; None for a new run.
        stop: asked between steps; a reason saves and ends the run.
        clock: seconds from any fixed moment, only ever rising.
        waiting: asked while files are awaited; a reason ends the wait.
        parts: network and augmentation, where they are not the usual ones.
        pool: of training images that other runs of this process have read, or will.
        say: told in a line where training images are kept.
        on_squares: called with (images squashed and kept, images in all).

    Raises:
        DecamoError: any mistake in settings, network or checkpoint.
        StopAsked: while files were awaited there was a reason to stop.
    """
    ear = ear_of(settings, waiting, say)
    resumption = resumption_of(
        settings,
        checkpoint,
        images=len(splits.train),
        world=runtime.world,
        other_masks=splits.other_masks,
        other_labels=labels_changed(checkpoint.images, splits.record) if checkpoint else None,
    )
    plan = resumption.lineage.plan
    model = _built(parts, settings, [stage.img_size for stage in plan.stages], checkpoint)
    check_sizes(model, [stage.img_size for stage in plan.stages], settings.optimise.multi_scale)
    if checkpoint is not None:
        check_architecture(settings, model, checkpoint)
    state = _state(settings, runtime, model, resumption, checkpoint, splits)
    state.rules = splits.rules
    if checkpoint is None and needs_calibration(model) and _is_untrained(settings, model):
        _calibrate(state, splits.train, plan.stages[0].img_size, ear)
    teacher = followed_teacher(settings)
    sides = settings.optimise.deep_supervision and model.gives_sides
    stepper = Stepper(
        model=model,
        criterion=Criterion(
            sides,
            loss_weights_of(settings.optimise.loss_weights),
            teacher=teacher is not None,
            void=VOID if any(pair.rule.mask.has_void for pair in splits.train) else None,
            auxiliary=model.gives_auxiliary,
        ),
        optimizer=state.optimizer,
        scaler=state.scaler,
        ema=state.ema,
        runtime=runtime,
        clip_grad=settings.optimise.clip_grad,
        side_outputs=sides,
        teacher=None
        if teacher is None
        else load_teacher(teacher, runtime.device, settings.optimise.teacher_network),
    )
    sources = sources_of(
        settings.data,
        resumption,
        splits.train,
        runtime.world,
        Pool() if pool is None else pool,
        say,
        on_squares,
        ear,
    )
    training_batches = TrainingBatches(
        settings, runtime, splits.train, sources, parts.draw, resumption.lineage.last.world
    )
    trainer = Trainer(
        settings=settings,
        runtime=runtime,
        state=state,
        stepper=stepper,
        manager=CheckpointManager(folder, settings, runtime.is_main, clock),
        validator=Validator(
            splits.val, runtime, stop, waiting=waiting, patience=training_batches.patience()
        ),
        stability=StabilityMonitor(
            stepper, folder, settings.run.on_divergence == "rollback", runtime.is_main
        ),
        training_batches=training_batches,
        stop=stop,
        clock=clock,
        waiting=waiting,
        saved=_is_newest(settings, folder, resumption),
    )
    return Prepared(trainer, resumption, splits)


def ear_of(
    settings: TrainSettings,
    listen: Callable[[], str],
    say: Callable[[str], None] = lambda line: None,
) -> Ear:
    """How long files are waited for, whom that listens to and whom it tells."""
    return Ear(listen, say, seconds_of("data_timeout", settings.data.data_timeout))


def _is_newest(settings: TrainSettings, folder: RunFolder, resumption: Resumption) -> bool:
    """Whether the folder's newest checkpoint is the very state that the run goes on from."""
    resume_from = settings.run.resume_from
    same = resume_from is not None and resume_from.resolve() == folder.last.resolve()
    return same and resumption.kind is SegmentKind.CONTINUE


def check_architecture(
    settings: TrainSettings, model: SegmentationNetwork, checkpoint: Checkpoint
) -> None:
    """Refuse to put a checkpoint's weights into another network.

    Raises:
        CheckpointMismatch: names the flags that differ.
    """
    held, built = completed(checkpoint.architecture), completed(model.architecture)
    what = settings.run.resume_from or "--resume-from"
    if "network" not in built:
        refuse_unbuildable(held, what)
    if "kind" in built or "kind" in held:
        if differing_keys := differences_in(held, built):
            raise _other_network(what, held, built, differing_keys)
        return
    differing = {k: held.get(k) for k in built if held.get(k) != built[k]}
    if differing:
        flags = " ".join(f"{flag_of(name)} {_words(value)}" for name, value in differing.items())
        got = ", ".join(f"{flag_of(name)} {_words(built[name])}" for name in differing)
        raise CheckpointMismatch(
            settings.run.resume_from or "--resume-from",
            f"it was trained with another network than {got}",
            f"give {flags}, or leave these flags out",
        )


def _other_network(
    what: object, held: Mapping[str, Any], built: Mapping[str, Any], keys: Sequence[str]
) -> CheckpointMismatch:
    """That one of the two networks at least is a foreign one, and they differ."""
    trained, now = held.get("network", OWN_NETWORK), built.get("network", OWN_NETWORK)
    if trained != now:
        return CheckpointMismatch(
            what,
            f"it was trained with the network {trained!s:.80}, not with {now!s:.80}",
            f"give --network {trained!s:.80}, or leave the flag out",
        )
    flags = " ".join(f"{flag_of(k)} {_words(held.get(k, ''))!s:.80}" for k in keys if k != "config")
    return CheckpointMismatch(
        what,
        f"its {trained!s:.80} differs from the one now in {', '.join(keys)}",
        f"give {flags}" if flags else "leave --network out, or name the config that it was made of",
    )


def _words(value: Any) -> str:
    return " ".join(f"{v:g}" for v in value) if isinstance(value, list) else shown(value)


def _state(
    settings: TrainSettings,
    runtime: Runtime,
    model: SegmentationNetwork,
    resumption: Resumption,
    checkpoint: Checkpoint | None,
    splits: DataSplits,
) -> TrainState:
    model.to(runtime.device)
    model.gradient_checkpointing = settings.model.gradient_checkpointing
    ema = Ema(model, settings.optimise.ema_decay) if settings.optimise.use_ema else None
    state = TrainState(
        model=model,
        optimizer=build_optimizer(model, settings.optimise.weight_decay),
        scaler=GuardedScaler(enabled=str(runtime.dtype) == "torch.float16"),
        ema=ema,
        lineage=resumption.lineage,
        position=resumption.position,
        best=Best(images=splits.val_print),
        images=splits.record,
        known_as=splits.known_as,
    )
    if checkpoint is None:  # for whatever draws from torch's own generator, such as dropout
        torch.manual_seed(settings.run.seed + runtime.rank)
    else:
        source = settings.run.resume_from or "--resume-from"
        state.load_weights(checkpoint, source)
        if not settings.optimise.reset_moments:
            without = state.load_moments(checkpoint, source)
            state.without_moments = _unexpected(without, settings, state, checkpoint)
        state.load_history(checkpoint)
        if resumption.position.micro:
            state.sums = checkpoint.sums  # its record is the one it would have had
    return state


def _unexpected(
    without: tuple[str, ...],
    settings: TrainSettings,
    state: TrainState,
    checkpoint: Checkpoint,
) -> tuple[str, ...]:
    """Of the parameters without moments those that have learned, and go on learning.

    In a foreign network some may never get a gradient: those in a group whose others have moments.
    """
    opened = unfrozen_before(checkpoint.lineage, checkpoint.position.step)
    groups = [state.model.groups()[group] for group in opened]
    if settings.model.network != OWN_NETWORK:
        groups = [names for names in groups if not checkpoint.moments.keys() & names.keys()]
    learned = {name for names in groups for name in names}
    idle = () if settings.optimise.deep_supervision else ("sides.",)
    return tuple(n for n in without if n in learned and not n.startswith(idle))


def _built(
    parts: Parts,
    settings: TrainSettings,
    sizes: Sequence[int],
    checkpoint: Checkpoint | None,
) -> SegmentationNetwork:
    how: dict[str, Any] = {"initialize": checkpoint is None, "seed": settings.run.seed}
    if checkpoint is not None and parts.build is build_network:
        how["described"] = checkpoint.architecture
    return parts.build(settings.model, sizes=sizes, **how)


def _is_untrained(settings: TrainSettings, model: SegmentationNetwork) -> bool:
    """Whether the backbone has seen no image: of our own network the flags say so."""
    if settings.model.network != OWN_NETWORK:
        return is_fresh(model)
    return not settings.model.pretrained and settings.model.backbone_weights is None


def _calibrate(state: TrainState, pairs: tuple[Pair, ...], size: int, ear: Ear) -> None:
    data = CamouflageDataset(pairs[:_CALIBRATION_IMAGES], size, seed=0, augment=False)
    device = next(state.model.parameters()).device
    images = torch.stack(squashed_images(data, ear))
    batches = (b.to(device) for b in images.tensor_split(max(len(data) // _CALIBRATION_BATCH, 1)))
    calibrate_batchnorm(state.model, batches)
    if state.ema is not None:
        state.ema.model.load_state_dict(state.model.state_dict())
