"""Valid settings of every kind, for hypothesis."""

from pathlib import Path

from hypothesis import strategies as st

from decamo.settings import (
    DataSettings,
    ModelSettings,
    OptimizerSettings,
    RunSettings,
    ScheduleSettings,
    TrainSettings,
)
from decamo.settings.expert_names import EXPERT_KINDS

__all__ = ["schedules", "train_settings"]

# Names as people have them, with blanks, quotes, backslashes and letters of other scripts.
_WORDS = st.text(st.sampled_from("abzÄß木 '\"\\#=[]._-%:"), min_size=1, max_size=8)
_PATHS = st.lists(_WORDS, min_size=1, max_size=3).map(lambda parts: Path(*parts))
_CURVES = st.sampled_from(["onecycle", "cosine", "cosine_restart", "none"])


def _unit(low: float = 0, high: float = 1) -> st.SearchStrategy[float]:
    return st.floats(low, high)


def _triples(low: float) -> st.SearchStrategy[tuple[float, float, float] | None]:
    return st.none() | st.tuples(_unit(low), _unit(low), _unit(low))


@st.composite
def schedules(draw: st.DrawFn) -> ScheduleSettings:
    """Any valid schedule."""
    epochs = draw(st.integers(2, 300))
    stage1 = draw(st.integers(0, epochs - 1))
    lr, stage2_lr = draw(st.floats(1e-6, 1)), draw(st.floats(1e-6, 1))
    return ScheduleSettings(
        epochs=epochs,
        stage1_epochs=stage1,
        skip_stage1=draw(st.booleans()),
        lr=lr,
        stage2_lr=stage2_lr,
        backbone_lr_ratio=draw(_unit()),
        stage1_scheduler=draw(_CURVES),
        scheduler=draw(_CURVES),
        min_lr=draw(st.floats(0, min(lr, stage2_lr))),
        warmup_epochs=draw(st.integers(0, epochs - stage1 - 1)),
        t_mult=draw(st.floats(1, 4)),
        cycles=draw(st.integers(1, 5)),
        progressive_unfreeze=draw(st.booleans()),
        schedule_origin=draw(st.sampled_from(["resume", "stage"])),
        stage3_epochs=draw(st.integers(0, 50)),
        stage3_lr=draw(st.floats(1e-9, 1)),
        stage3_img_size=draw(st.none() | st.integers(32, 1024)),
        img_size=draw(st.integers(32, 1024)),
        batch_size=draw(st.integers(1, 64)),
        stage2_batch_size=draw(st.none() | st.integers(1, 64)),
        accumulation_steps=draw(st.integers(1, 16)),
    )


@st.composite
def train_settings(draw: st.DrawFn) -> TrainSettings:
    """Any valid settings, every option drawn."""
    unlabelled = tuple(draw(st.lists(_PATHS, max_size=3)))
    return TrainSettings(
        data=DataSettings(
            dataset_path=tuple(draw(st.lists(_PATHS, max_size=3))),
            unlabelled=unlabelled,
            unlabelled_confidence=draw(_unit()),
            noncam=draw(st.sampled_from(["drop", "negatives"])),
            val_fraction=draw(_unit(0.001, 0.9)),
            cache=draw(st.sampled_from(["auto", "ram", "disk", "off"])),
            cache_dir=draw(st.none() | _PATHS),
            num_workers=draw(st.integers(0, 16)),
            train_on=tuple(draw(st.lists(_WORDS, max_size=3))),
            test_on=tuple(draw(st.lists(_WORDS, max_size=3))),
            mask_suffix=draw(st.just("") | _WORDS),
            group_by=draw(st.sampled_from(["auto", "none"]) | _WORDS),
            mask_values=tuple(draw(st.lists(_WORDS, max_size=3))),
            max_pixels=draw(st.integers(1, 10**10)),
            data_timeout=draw(st.sampled_from(["3m", "45s", "1h30m"])),
        ),
        model=ModelSettings(
            backbone=draw(_WORDS),
            network=draw(st.sampled_from(("decamo", "smp:FPN", "mine"))),
            backbone_prefix=draw(_WORDS),
            output=draw(_WORDS),
            experts=draw(st.lists(st.sampled_from(EXPERT_KINDS), max_size=9).map(tuple)),
            num_experts=draw(st.integers(1, 28)),
            zoom=draw(_unit(1, 4)),
            fovea=draw(_unit(0.125, 1)),
            pretrained=draw(st.booleans()),
            backbone_weights=draw(st.none() | _PATHS),
            input_mean=draw(_triples(0)),
            input_std=draw(_triples(1e-6)),
            gradient_checkpointing=draw(st.booleans()),
        ),
        schedule=draw(schedules()),
        optimise=OptimizerSettings(
            deep_supervision=draw(st.booleans()),
            loss_weights=draw(st.sampled_from(((), ("bce=0", "boundary=0"), ("side=0.25",)))),
            multi_scale=draw(st.lists(_unit(0.25, 4), min_size=1, max_size=3).map(tuple)),
            teacher=draw(_PATHS if unlabelled else st.none() | _PATHS),  # who labels them
            teacher_network="",  # code is never taken from a config alone
            weight_decay=draw(_unit()),
            clip_grad=draw(_unit(0, 100)),
            use_ema=draw(st.booleans()),
            ema_decay=draw(_unit(0, 0.999999)),
            reset_moments=draw(st.booleans()),
        ),
        run=RunSettings(
            checkpoint_dir=draw(_PATHS),
            resume_from=draw(st.none() | _PATHS),
            resume=draw(st.sampled_from(["never", "auto"])),
            budget=draw(st.none() | st.sampled_from(["11h30m", "45m", "1.5d", "90s"])),
            keep_last=draw(st.integers(0, 9)),
            keep_every=draw(st.integers(0, 50)),
            on_divergence=draw(st.sampled_from(["rollback", "stop"])),
            on_plateau=draw(st.sampled_from(["continue", "stop", "escape"])),
            tracker=draw(st.sampled_from([("none",), ("tensorboard",), ("wandb", "mlflow")])),
            mirror=draw(st.none() | st.sampled_from(["s3://bucket/runs/x", "sftp://me@host/x"])),
            device=draw(st.sampled_from(["auto", "cpu", "cuda", "cuda:1"])),
            precision=draw(st.sampled_from(["auto", "fp32", "fp16", "bf16"])),
            seed=draw(st.integers(0, 2**63 - 1)),
        ),
    )
