import json
from pathlib import Path
from typing import Any

import pytest
import torch

import decamo
from decamo.checkpoint.load_save import load_checkpoint
from decamo.cli import main
from decamo.errors import CheckpointMismatch, DecamoError, SettingsError
from tests.foreign_files import forms, network, network_file

NET = network()
FORMS = forms(NET)
LOG = "".join(
    f"[epoch {n}/100] train_loss={0.9 - 0.004 * n:.4f} val_iou={0.5 + 0.0014 * n:.4f} lr=0.00025\n"
    for n in range(1, 87)
)
TINY = {"device": "cpu", "num_workers": 0, "val_fraction": 0.2, "img_size": 64, "batch_size": 4}


def saved(form: str, folder: Path) -> Path:
    path = folder / f"{form}.pth"
    torch.save(FORMS[form], path)
    return path


@pytest.fixture
def source(tmp_path: Path) -> str:
    return f"{network_file(tmp_path)}:build"


@pytest.mark.parametrize("form", [f for f in FORMS if f != "parameters"])
def test_every_form_becomes_a_run_with_the_very_weights(
    form: str, tmp_path: Path, source: str
) -> None:
    adopted = decamo.adopt(saved(form, tmp_path), network=source, out=tmp_path / "run", epoch=86)

    held = load_checkpoint(adopted.checkpoint)
    for name, value in NET.state_dict().items():
        assert torch.equal(held.weights[f"net.{name}"], value)
    assert held.position.epoch == adopted.epoch == 86
    assert adopted.foreign.sha256[:12] in held.lineage.last.reason


def test_epoch_score_settings_moments_and_average_come_along(tmp_path: Path, source: str) -> None:
    scalar = decamo.adopt(saved("numpy_scalar", tmp_path), network=source, out=tmp_path / "a")
    moments = decamo.adopt(saved("with_optimizer", tmp_path), network=source, out=tmp_path / "b")
    average = decamo.adopt(saved("with_average", tmp_path), network=source, out=tmp_path / "c")

    held = load_checkpoint(scalar.checkpoint)
    assert (held.position.epoch, held.best.iou) == (86, 0.6221)
    assert (held.settings.schedule.epochs, held.settings.schedule.lr) == (100, 2.5e-4)
    assert held.settings.schedule.img_size == 64
    assert (held.settings.schedule.batch_size, held.settings.schedule.accumulation_steps) == (4, 1)
    assert not held.moments
    assert any("without a counterpart here: num_experts" in note for note in scalar.notes)
    names = {f"net.{name}" for name, _ in NET.named_parameters()}
    assert set(load_checkpoint(moments.checkpoint).moments) == names
    held = load_checkpoint(average.checkpoint)
    assert held.ema is not None
    assert held.settings.optimise.use_ema
    name = "head.0.weight"
    assert torch.equal(held.ema.weights[f"net.{name}"], NET.state_dict()[name] * 0.5)


@pytest.mark.parametrize(
    ("theirs", "epochs", "frozen"),
    [
        ({"epochs": 12}, 12, 0),  # fewer than stage 1 of ours has by its default
        ({"num_epochs": 30, "stage1_epochs": 4}, 30, 4),
        ({"epochs": 30, "stage1_epochs": 40}, 30, 0),  # counted in two ways: who knows
    ],
)
def test_a_short_plan_comes_along_too(
    theirs: dict[str, int], epochs: int, frozen: int, tmp_path: Path, source: str
) -> None:
    path = tmp_path / "short.pth"
    torch.save({"model": NET.state_dict(), "epoch": 9, "args": theirs}, path)

    adopted = decamo.adopt(path, network=source, out=tmp_path / "run")

    plan = adopted.settings.schedule
    assert (plan.epochs, plan.frozen_epochs) == (epochs, frozen)
    (taken,) = [note for note in adopted.notes if "taken over from the file" in note]
    assert f"--epochs {epochs}" in taken
    left_out = [note for note in adopted.notes if "without a counterpart" in note]
    assert bool(left_out) == (theirs.get("stage1_epochs", 0) != frozen)


def test_its_log_is_the_past_of_the_run(tmp_path: Path, source: str) -> None:
    log = tmp_path / "train.log"
    log.write_text(LOG)

    adopted = decamo.adopt(
        saved("bare", tmp_path), network=source, out=tmp_path / "run", log=log, images=40
    )

    assert adopted.epoch == 86
    points = decamo.Run(adopted.folder).past.points
    assert len(points) == 86
    assert points[-1].iou == pytest.approx(0.5 + 0.0014 * 86, abs=1e-4)
    held = load_checkpoint(adopted.checkpoint)
    assert [record.epoch for record in held.history] == list(range(1, 87))
    assert held.best.iou == pytest.approx(0.6204)
    assert held.lineage.last.images == 40


def test_the_run_goes_on_and_its_first_line_says_where_it_came_from(
    tmp_path: Path, source: str, scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adopted = decamo.adopt(
        saved("with_optimizer", tmp_path), TINY, network=source, out=tmp_path / "run", images=8
    )

    done = decamo.train(
        TINY,
        network=source,
        dataset_path=scenes,
        resume_from=adopted.checkpoint,
        checkpoint_dir=tmp_path / "next",
        epochs=87,
    )

    held = load_checkpoint(done.folder.last)
    assert held.position.epoch == 87
    assert [s.kind.value for s in held.lineage.segments] == ["start", "branch"]
    assert "adopted from with_optimizer.pth" in held.lineage.segments[0].reason
    assert not torch.equal(held.weights["net.head.0.weight"], NET.state_dict()["head.0.weight"])
    steps = {float(m["step"]) for m in held.moments.values()}
    assert steps == {1.0 + held.position.step - held.lineage.last.at_step}  # counted on, not anew
    assert "which of them the other program held out" in capsys.readouterr().out


def test_with_data_the_weights_are_scored_first_and_both_numbers_said(
    tmp_path: Path, source: str, scenes: Path
) -> None:
    path = saved("numpy_scalar", tmp_path)

    run = decamo.adopt(path, TINY, network=source, out=tmp_path / "run", dataset_path=scenes)
    without = decamo.adopt(path, TINY, network=source, out=tmp_path / "other")
    went_on = decamo.train(
        TINY, network=source, dataset_path=scenes, resume_from=run.checkpoint, epochs=87,
        checkpoint_dir=tmp_path / "next",
    )  # fmt: skip

    assert run.here is not None
    held = load_checkpoint(run.checkpoint)
    assert held.best.iou == run.here.scores.iou
    assert held.lineage.last.images == len(run.here.splits.train)
    said = "\n".join(run.notes)
    assert "it came with IoU 0.6221; here it has IoU" in said
    assert "pooled over a batch" in said
    assert "give --dataset-path to score it here" in "\n".join(without.notes)
    # What training measures before its first step is this very score, on these very images.
    journal = (went_on.folder.journal).read_text().splitlines()
    baseline = next(json.loads(line) for line in journal if '"baseline"' in line)
    assert baseline["iou"] == pytest.approx(run.here.scores.iou, abs=1e-6)


def test_a_resume_from_a_foreign_file_adopts_it_and_goes_on_in_one_step(
    tmp_path: Path, source: str, scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, folder = saved("with_optimizer", tmp_path), tmp_path / "run"
    given: dict[str, Any] = {"network": source, "dataset_path": scenes, "checkpoint_dir": folder}

    decamo.train(TINY, **given, resume_from=path, epochs=88, stage2_lr=3e-4, dry_run=True)
    assert not list(folder.glob("*.pth"))
    capsys.readouterr()
    done = decamo.train(TINY, **given, resume_from=path, epochs=87, stage2_lr=3e-4)

    held = load_checkpoint(done.folder.last)
    assert [s.kind.value for s in held.lineage.segments] == ["start", "branch"]
    assert held.lineage.segments[0].schedule.stage2_lr == 1e-3  # of its optimizer, not the flag's
    assert held.lineage.last.schedule.stage2_lr == 3e-4
    out = capsys.readouterr().out
    assert "here it has IoU" in out
    assert "--stage2-lr 0.001 -> 0.0003" in out
    before = done.folder.last.read_bytes()
    with pytest.raises(SettingsError, match=r"holds a run.*--resume auto"):
        decamo.train(TINY, **given, resume_from=path, epochs=87)
    assert done.folder.last.read_bytes() == before
    again: dict[str, Any] = {"resume": "auto", "epochs": 88, "stage2_lr": 3e-4}
    decamo.train(TINY, **given, resume_from=path, **again)
    assert load_checkpoint(done.folder.last).position.epoch == 88


def test_a_foreign_file_that_does_not_say_its_epoch_is_adopted_by_hand(
    tmp_path: Path, source: str, scenes: Path
) -> None:
    with pytest.raises(SettingsError, match=r"decamo adopt .*bare\.pth .*--epoch N"):
        decamo.train(
            TINY, network=source, dataset_path=scenes, resume_from=saved("bare", tmp_path),
            checkpoint_dir=tmp_path / "run",
        )  # fmt: skip


def test_what_is_advised_counts_from_the_weights_that_are_there(
    tmp_path: Path, source: str
) -> None:
    log = tmp_path / "train.log"
    rise = [min(0.5 + 0.01 * n, 0.6) - 0.0002 * max(n - 10, 0) for n in range(1, 87)]
    log.write_text("".join(
        f"[epoch {n}/100] train_loss=0.4 val_iou={iou:.4f} lr=0.00001\n"
        for n, iou in enumerate(rise, 1)
    ))  # fmt: skip

    run = decamo.adopt(saved("bare", tmp_path), network=source, out=tmp_path / "run", log=log)

    said = "it came with IoU 0.6000 as its best; its log has IoU 0.5848 for this epoch"
    assert said in "\n".join(run.notes)
    advice = decamo.Run(run.folder).diagnose().advice
    words = list(advice.first.words)
    assert words[words.index("--network") + 1] == source
    assert advice.standing.best_epoch == 86  # the best one logged is the 10th


def test_rates_are_those_in_force_and_follow_the_cosine_of_the_file(
    tmp_path: Path, source: str
) -> None:
    parts = [list(NET.encoder.parameters()), list(NET.head.parameters())]  # type: ignore[union-attr]
    groups = [{"params": parts[0], "lr": 1e-5}, {"params": parts[1], "lr": 1e-4}]
    optimizer = torch.optim.AdamW(groups)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100, eta_min=1e-7)
    content = {"model": NET.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 85}
    torch.save(content, tmp_path / "constant.pth")
    falls = {"scheduler": cosine.state_dict(), "args": {"epochs": 100}}
    torch.save(content | falls, tmp_path / "cosine.pth")

    constant, falling = (
        decamo.adopt(tmp_path / f"{name}.pth", network=source, out=tmp_path / name).settings
        for name in ("constant", "cosine")
    )

    plan = constant.schedule
    assert (plan.scheduler, plan.stage2_lr, plan.backbone_lr_ratio) == ("none", 1e-4, 0.1)
    plan = falling.schedule
    assert (plan.scheduler, plan.stage2_lr, plan.min_lr, plan.epochs) == ("cosine", 1e-4, 1e-7, 100)


def test_a_history_beside_the_file_is_its_past_and_what_it_lacks_is_not_made_up(
    tmp_path: Path, source: str
) -> None:
    scores = [0.5 + 0.001 * n for n in range(86)]
    (tmp_path / "history.json").write_text(json.dumps({"val_iou": scores}))

    run = decamo.adopt(saved("numpy_scalar", tmp_path), network=source, out=tmp_path / "run")

    points = decamo.Run(run.folder).past.points
    assert [p.iou for p in points] == pytest.approx(scores)
    assert {p.loss for p in points} == {None}  # not written down, which is not "not a number"


def test_without_a_network_the_file_is_described(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--network: not given.*epoch 86.*FILE\.py"):
        decamo.adopt(saved("numpy_scalar", tmp_path), network="decamo", out=tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"network": "decamo"}, DecamoError, "--network"),
        ({"network": "nowhere.py:build"}, DecamoError, "nowhere.py"),
        ({"path": "nowhere.pth"}, DecamoError, "nowhere.pth"),
        ({"epoch": -1}, SettingsError, "--epoch"),
        ({"log": "nowhere.log"}, DecamoError, "nowhere.log"),
        ({"epoch": None}, SettingsError, "--epoch"),
    ],
)
def test_a_mistake_is_said_and_nothing_is_written(
    change: dict[str, Any], error: type[DecamoError], said: str, tmp_path: Path, source: str
) -> None:
    given: dict[str, Any] = {"path": saved("bare", tmp_path), "network": source, "epoch": 86}
    given = given | {"backbone": "test_efficientnet"} | change
    path = given.pop("path")

    with pytest.raises(error, match=said):
        decamo.adopt(path, out=tmp_path / "run", **given)

    assert not list(tmp_path.glob("run/*.pth"))


def test_weights_of_another_network_are_refused_by_name(tmp_path: Path) -> None:
    source = network_file(tmp_path)
    source.write_text(source.read_text().replace("(16, 20)", "(16, 24)").replace("(20,", "(24,"))

    with pytest.raises(CheckpointMismatch, match=r"of another shape are encoder\.3\.0\.weight"):
        decamo.adopt(
            saved("bare", tmp_path), network=f"{source}:build", out=tmp_path / "run", epoch=1
        )


def test_a_folder_that_holds_a_run_is_left_alone(tmp_path: Path, source: str) -> None:
    path = saved("bare", tmp_path)
    decamo.adopt(path, network=source, out=tmp_path / "run", epoch=86)
    before = (tmp_path / "run/last.pth").read_bytes()

    with pytest.raises(SettingsError, match="holds a run"):
        decamo.adopt(path, network=source, out=tmp_path / "run", epoch=80)
    with pytest.raises(SettingsError, match="--out"):
        decamo.adopt(path, network=source, out=tmp_path, epoch=80)

    assert (tmp_path / "run/last.pth").read_bytes() == before


def test_the_command_prints_what_it_found_and_the_next_command(
    tmp_path: Path, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["adopt", str(saved("lightning", tmp_path)), "--network", source]

    assert main([*words, "--out", str(tmp_path / "run"), "--json", str(tmp_path / "a.json")]) == 0
    out = capsys.readouterr().out
    assert main(words) == 2

    assert "begin with 'net.', which was taken off" in out
    assert f"decamo diagnose {tmp_path / 'run'}\n" in out
    assert f"decamo escape {tmp_path / 'run/last.pth'} --network {source}" in out
    assert (tmp_path / "a.json").exists()
