"""Pseudo-labels for unlabelled photographs: what they are, who joins, what a resume has."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import decamo
from decamo.cli import main
from decamo.data.dataset import CamouflageDataset
from decamo.data.pseudo_pairs import is_pseudo, present_labels, pseudo_pair
from decamo.data.reading import read_labelled
from decamo.data.scenes import write_scenes
from decamo.data.split_record import SplitRecord
from decamo.data.waiting import NOBODY, Ear, StopAsked
from decamo.errors import CheckpointError, DataError, SettingsError, TooManyBadImages
from decamo.inference.labelling import label_by
from decamo.inference.load_model import load_model
from decamo.inference.predictor import Predictor
from decamo.inference.tta import best_expected_iou, decided
from decamo.inference.writer import read_probability
from decamo.settings import DataSettings
from decamo.settings.plain import from_plain, merged
from decamo.storage import RunFolder
from decamo.storage.sealed import load_sealed
from decamo.training.data_splits import DataSplits, find_splits
from decamo.training.label_check import HeldOut, unmet
from decamo.training.label_index import LabelIndex
from decamo.training.runtime import Runtime
from decamo.training.trainer import Trainer
from decamo.training.unlabelled import join_unlabelled
from tests.training.conftest import TINY, assert_equal

Train = Callable[..., dict[str, Any]]
JOINED = 9


@pytest.fixture
def taught_by(two_epochs: Trainer) -> Path:
    return two_epochs.folder.last


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """9 photographs of other scenes than those that train, with their masks."""
    root = tmp_path_factory.mktemp("others") / "Forest"
    write_scenes(root, train=9, test=3, size=64, noncam_share=0, seed=77,
                 on_progress=lambda _done, _of: None)  # fmt: skip
    return root


@pytest.fixture
def photographs(many: Path, tmp_path: Path) -> Path:
    """The same without masks, one of them in a folder within."""
    place = tmp_path / "photographs"
    (place / "more").mkdir(parents=True)
    images = sorted((many / "Train" / "Image").iterdir())
    for image in images:
        shutil.copy(image, place / ("more" if image == images[4] else "") / image.name)
    return place


@pytest.fixture
def train(scenes: Path, photographs: Path, taught_by: Path, tmp_path: Path) -> Train:
    """``train(name, ...)``: a run of an epoch in the folder ``name``; what it saved last."""

    def here(name: str, **sections: dict[str, Any]) -> dict[str, Any]:
        place = tmp_path / name
        given: dict[str, dict[str, Any]] = {
            "data": {"dataset_path": [scenes], "unlabelled": [photographs],
                     "unlabelled_confidence": 0.0},
            "schedule": {"epochs": 1, "skip_stage1": True, "stage2_batch_size": 4,
                         "accumulation_steps": 1},
            "optimise": {"teacher": taught_by, "loss_weights": ["teacher=0"]},
            "run": {"checkpoint_dir": place, "tracker": ["none"]},
        }  # fmt: skip
        decamo.train(merged(TINY, given, sections))
        return load_sealed(place / "last.pth")

    return here


def index_of(folder: Path) -> list[dict[str, Any]]:
    held = json.loads((folder / "pseudo-labels" / "index.json").read_text())
    labels: list[dict[str, Any]] = held["labels"]
    return labels


def joined(state: dict[str, Any]) -> list[str]:
    record = decamo_record(state)
    return [known.key for known in record.images if is_pseudo(known) and not known.gone]


def decamo_record(state: dict[str, Any]) -> Any:
    return SplitRecord.from_plain(state["images"])


def test_confidence_is_the_best_expected_iou_of_all_regions() -> None:
    """Brute force: every set of so many likeliest pixels, by the quotient of expectations."""
    logits = torch.randn(3, 1, 5, 7, generator=torch.Generator().manual_seed(3)) * 3
    found = best_expected_iou(logits)
    for one, confidence in zip(logits, found, strict=True):
        p = np.sort(one.double().sigmoid().numpy().ravel())[::-1]
        by_count = [p[:k].sum() / (k + p[k:].sum()) for k in range(1, len(p) + 1)]
        assert float(confidence) == pytest.approx(max(by_count), abs=1e-12)
        region = decided(one[None])[0, 0].numpy() >= 0
        own = one[0].double().sigmoid().numpy()
        met = own[region].sum()
        assert met / (region.sum() + own.sum() - met) == pytest.approx(float(confidence))


def test_a_sure_map_is_sure_and_no_map_is_never_sure() -> None:
    sure = torch.full((1, 1, 8, 8), -30.0)
    sure[..., 2:5, 2:5] = 30
    nothing = torch.full((1, 1, 8, 8), torch.nan)
    assert float(best_expected_iou(sure)) == pytest.approx(1)
    assert float(best_expected_iou(nothing)) == 0
    assert float(best_expected_iou(torch.full((1, 1, 8, 8), -12.0))) < 1e-4


def test_labels_are_what_predict_decides_by_expected_iou(
    train: Train, photographs: Path, taught_by: Path, tmp_path: Path
) -> None:
    train("run")
    out = tmp_path / "predicted"
    words = ["predict", taught_by, photographs, "--decide", "iou", "--out", out, "--device", "cpu"]
    assert main([str(word) for word in words]) == 0
    labels = index_of(tmp_path / "run")
    assert len(labels) == JOINED
    loaded = load_model(taught_by)
    predictor = Predictor(loaded.model, loaded.img_size)
    for label in labels:
        image = Path(label["image"])
        place = out / image.relative_to(photographs).with_suffix(".png")
        ours = read_probability(tmp_path / "run" / "pseudo-labels" / label["mask"])
        assert set(np.unique(ours)) <= {0, 1}
        assert np.array_equal(ours >= 0.5, read_probability(place) >= 0.5)
        with Image.open(image) as picture:
            seen = predictor.prepare(np.array(picture.convert("RGB")))
        p = torch.from_numpy(predictor.look([seen])[0]).double().sigmoid().flatten()
        p = p.sort(descending=True).values
        best = (p.cumsum(0) / (torch.arange(1, len(p) + 1) + p.sum() - p.cumsum(0))).max()
        assert label["confidence"] == pytest.approx(float(best), abs=1e-9)


def test_they_train_behind_the_labelled_images_and_none_is_held_out(
    train: Train, two_epochs: Trainer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    state = train("run")
    before = two_epochs.state.images.images
    now = decamo_record(state).images
    trains = [known.key for known in before if not known.held]
    assert [known.key for known in now[: len(trains)]] == trains
    assert sum(is_pseudo(known) for known in now) == JOINED
    assert [known for known in now if known.held] == [known for known in before if known.held]
    said = capsys.readouterr().out
    assert "9 of 9 unlabelled photographs train under pseudo-labels" in said
    assert f"{len(trains) + JOINED} images train, 9 of them under pseudo-labels" in said
    begun = json.loads((tmp_path / "run" / "journal.jsonl").read_text().splitlines()[0])
    assert begun["pseudo_labelled"] == JOINED


def test_a_resume_has_the_same_training_set_to_the_bit_and_labels_nothing(
    train: Train, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer: dict[str, dict[str, Any]] = {"run": {"resume": "auto"}, "schedule": {"epochs": 2}}
    whole = train("whole", **longer)
    stop_after_an_epoch(monkeypatch)
    train("part", **longer)
    monkeypatch.undo()
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "part").rglob("*.png")}
    moved = photographs.rename(tmp_path / "elsewhere")  # where they lie says nothing
    (moved / "more").rename(moved / "less")
    monkeypatch.setattr("decamo.training.pseudo_labels.label_by", never)
    rest = train("part", **longer, **{"data": {"unlabelled": [moved]}})
    assert [segment["word"] for segment in rest["ledger"]] == ["start"]
    assert joined(rest) == joined(whole)
    assert rest["history"][1]["parts"] == whole["history"][1]["parts"]
    assert_equal(rest["model"], whole["model"])
    labels = {p: p.stat().st_mtime_ns for p in (tmp_path / "part" / "pseudo-labels").glob("*.png")}
    assert labels.items() <= written.items()
    assert {Path(label["image"]).parent.name for label in index_of(tmp_path / "part")} == {
        "elsewhere", "less",
    }  # fmt: skip


def never(*_: object) -> None:
    raise AssertionError("labelled twice")


def stop_after_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the machine went away with the first epoch's checkpoint on its disk."""
    from decamo.history import EpochDone
    from decamo.training import trainer

    run = trainer.Trainer.run

    def broken(self: trainer.Trainer) -> Any:
        for event in run(self):
            yield event
            if isinstance(event, EpochDone):
                return

    monkeypatch.setattr(trainer.Trainer, "run", broken)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(
            {"unlabelled_confidence": "some"},
            "--unlabelled-confidence 0 -> ",
            marks=pytest.mark.long,
        ),
        ({"unlabelled": []}, "--unlabelled 9 pseudo-labels -> none"),
    ],
)
def test_other_labels_are_a_branch_that_says_so(
    train: Train, tmp_path: Path, data: dict[str, Any], reason: str
) -> None:
    train("run")
    if data.get("unlabelled_confidence"):
        sure = sorted(label["confidence"] for label in index_of(tmp_path / "run"))
        data = {"unlabelled_confidence": sure[3]}
    on = {"run": {"resume": "auto"}, "schedule": {"epochs": 2}}
    state = train("run", **on, data=data)
    last = state["ledger"][-1]
    assert last["word"] == "branch"
    assert reason in last["reason"]
    if data.get("unlabelled_confidence"):
        assert "9 -> 6 pseudo-labels" in last["reason"]
        known = decamo_record(state).images
        assert sum(is_pseudo(one) for one in known) == JOINED  # it has met them all
        assert len(joined(state)) == 6


@pytest.mark.long
def test_a_photograph_more_is_labelled_alone_and_makes_a_branch(
    train: Train, photographs: Path, many: Path, tmp_path: Path
) -> None:
    train("run")
    before = {label["digest"]: label for label in index_of(tmp_path / "run")}
    new = next((many / "Test" / "Image").iterdir())
    shutil.copy(new, photographs / "a_new_one.jpg")
    state = train("run", run={"resume": "auto"}, schedule={"epochs": 2})
    after = {label["digest"]: label for label in index_of(tmp_path / "run")}
    assert before.items() <= after.items()
    assert len(after) == JOINED + 1
    assert "9 -> 10 pseudo-labels" in state["ledger"][-1]["reason"]
    assert joined(state)[-1].startswith("pseudo-labels/a_new_one-")  # behind those it knows


def test_another_network_labels_anew(train: Train, taught_by: Path, tmp_path: Path) -> None:
    train("run")
    other = {"data": {"unlabelled": []}, "optimise": {"teacher": None, "loss_weights": []}}
    train("other", **other, run={"seed": 5})
    on = {"run": {"resume": "auto"}, "schedule": {"epochs": 2}}
    state = train("run", **on, optimise={"teacher": tmp_path / "other" / "last.pth"})
    assert len({label["checkpoint"] for label in index_of(tmp_path / "run")}) == 1
    assert "--teacher" in state["ledger"][-1]["reason"]
    assert "pseudo-label" in state["ledger"][-1]["reason"]


def test_the_checkpoint_that_a_run_goes_on_from_labels_where_there_is_no_teacher(
    train: Train, taught_by: Path, tmp_path: Path
) -> None:
    alone: Mapping[str, Mapping[str, Any]] = {
        "optimise": {"teacher": None, "loss_weights": []},
        "schedule": {"epochs": 3},
    }
    start = {"run": {"resume_from": taught_by, "resume": "auto"}}
    state = train("run", **merged(alone, start))
    by = {label["checkpoint"] for label in index_of(tmp_path / "run")}
    assert len(by) == 1
    reason = state["ledger"][-1]["reason"]
    assert "no -> 9 pseudo-labels" in reason
    longer = merged(alone, {"schedule": {"epochs": 4}, "run": {"resume": "auto"}})
    again = train("run", **longer)  # its own newest checkpoint labels nothing
    assert again["ledger"][-1]["word"] == "extend"
    assert {label["checkpoint"] for label in index_of(tmp_path / "run")} == by
    moved = train("moved", **merged(longer, {"schedule": {"epochs": 5},
                  "run": {"resume_from": tmp_path / "run" / "last.pth"}}))  # fmt: skip
    assert moved["ledger"][-1]["word"] == "extend"
    assert joined(moved) == joined(state)
    shutil.rmtree(tmp_path / "moved" / "pseudo-labels")
    with pytest.raises(DataError, match=r"are gone \(9 of them\); bring that folder back"):
        train("moved", **merged(longer, {"schedule": {"epochs": 6}}))


def test_without_a_network_it_is_refused(
    train: Train, scenes: Path, photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SettingsError, match="--teacher CHECKPOINT"):
        train("run", optimise={"teacher": None, "loss_weights": []})
    words = ["--dataset-path", scenes, "--unlabelled", photographs]
    for command in ("train", "plan"):
        assert main([str(word) for word in (command, *words)]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "--resume-from" in said


@pytest.mark.parametrize("value", [1.01, -0.1, float("nan")])
def test_a_confidence_is_a_share(value: float) -> None:
    with pytest.raises(SettingsError, match="--unlabelled-confidence"):
        DataSettings(unlabelled_confidence=value)


def test_a_teacher_that_is_gone_is_a_line_before_any_photograph_is_read(
    train: Train, taught_by: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = tmp_path / "teacher.pth"
    shutil.copy(taught_by, teacher)
    state = train("run", optimise={"teacher": teacher})
    teacher.unlink()
    monkeypatch.setattr("decamo.training.pseudo_labels.label_by", never)
    on = {"run": {"resume": "auto"}, "schedule": {"epochs": 2}}
    again = train("run", **on, optimise={"teacher": teacher})  # whose labels are there
    assert joined(again) == joined(state)
    assert again["ledger"][-1]["word"] == "extend"
    monkeypatch.setattr("decamo.training.pseudo_labels.sighting_of", never)
    with pytest.raises(CheckpointError, match=r"--teacher .*teacher\.pth"):
        train("other", optimise={"teacher": teacher})


def test_nothing_sure_is_a_line_with_the_surest(train: Train) -> None:
    with pytest.raises(DataError, match=r"none of 9 photographs .* of 1 or more; the surest has 0"):
        train("run", data={"unlabelled_confidence": 1.0})


def test_copies_of_test_validation_and_training_images_are_left_out(
    train: Train, scenes: Path, photographs: Path, two_epochs: Trainer,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    known = two_epochs.state.images.images
    held = next(one.key.split("/")[1] for one in known if one.held)
    trains = next(one.key.split("/")[1] for one in known if not one.held)
    images = {path.stem: path for path in (scenes / "Train" / "Image").iterdir()}
    test = next((scenes / "Test" / "Image").iterdir())
    with Image.open(test) as picture:  # other bytes, the same look
        picture.convert("RGB").resize((128, 128)).save(photographs / "found_on_the_net.png")
    with Image.open(images[held]) as picture:
        picture.convert("RGB").save(photographs / "mirrored.jpg", quality=80)
    shutil.copy(images[trains], photographs / "again.jpg")
    state = train("run")
    assert len(joined(state)) == JOINED
    said = capsys.readouterr().out
    assert "left out: 2 copies of images to validate or test on, 1 copies of labelled" in said


def test_masks_beside_and_a_test_half_are_no_photographs(
    train: Train, many: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = train("run", data={"unlabelled": [many]})
    assert len(joined(state)) == JOINED
    said = capsys.readouterr().out
    assert "not taken for photographs: 12 masks and 3 images to test or validate on" in said
    with pytest.raises(DataError, match="--unlabelled"):
        train("other", data={"unlabelled": [many / "Test"]})
    with pytest.raises(DataError, match="does not exist"):
        train("other", data={"unlabelled": [tmp_path / "nowhere"]})


def test_a_photograph_is_read_upright_with_its_label(
    train: Train, many: Path, photographs: Path, tmp_path: Path
) -> None:
    """Square ones, too, whose size does not say which way they lie."""
    image = next((many / "Train" / "Image").iterdir())
    shutil.rmtree(photographs)
    photographs.mkdir()
    upright = Image.open(image).convert("RGB")
    upright.save(photographs / "upright.png")
    for value, back in ((6, Image.Transpose.ROTATE_90), (3, Image.Transpose.ROTATE_180),
                        (5, Image.Transpose.TRANSPOSE)):  # fmt: skip
        exif = Image.Exif()
        exif[0x0112] = value
        upright.transpose(back).save(photographs / f"turned_{value}.png", exif=exif)
    train("run", data={"unlabelled_confidence": 0.0, "val_fraction": 0.2})
    index = LabelIndex.read(tmp_path / "run" / "pseudo-labels")
    labels = [
        read_labelled(pseudo_pair(Path(one.image), index.mask_of(one), None, 10**8))
        for one in index.labels.values()
    ]
    assert len(labels) == 4
    for pixels, found in labels[1:]:
        assert np.array_equal(pixels, labels[0][0])
        assert np.array_equal(found.object, labels[0][1].object)


def test_unreadable_photographs_are_named_and_too_many_are_refused(
    train: Train, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (photographs / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    with pytest.raises(TooManyBadImages, match=r"--unlabelled: 1 of 10 photographs"):
        train("run")
    assert len(index_of(tmp_path / "run")) == JOINED  # none of them is labelled again
    refuse = "decamo.training.unlabelled.refuse_many_bad"
    monkeypatch.setattr(refuse, lambda *_args, **_how: None)
    train("run")
    said = capsys.readouterr().out
    assert "torn.jpg: " in said
    assert "left out: 1 unreadable; 0 labelled now" in said
    begun = json.loads((tmp_path / "run" / "journal.jsonl").read_text().splitlines()[0])
    assert [Path(path).name for path in begun["unreadable"]] == ["torn.jpg"]


def test_samples_have_the_label_as_their_mask(train: Train, tmp_path: Path) -> None:
    train("run")
    index = LabelIndex.read(tmp_path / "run" / "pseudo-labels")
    labels = list(index.labels.values())
    pairs = [pseudo_pair(Path(one.image), index.mask_of(one), None, 10**8) for one in labels]
    data = CamouflageDataset(pairs, 64, seed=0, augment=False)
    for at, label in enumerate(labels):
        mask = read_probability(index.mask_of(label)) >= 0.5
        assert np.array_equal(data[0, at].mask[0].numpy().astype(bool), mask)


def test_a_plan_says_how_many_would_be_looked_at(
    scenes: Path, photographs: Path, taught_by: Path
) -> None:
    laid = decamo.plan(
        dataset_path=[scenes], unlabelled=[photographs], teacher=taught_by, epochs=10,
        stage1_epochs=2,
    )  # fmt: skip
    assert laid.photographs == JOINED
    assert "of 9 unlabelled photographs those with sure pseudo-labels" in str(laid)
    assert laid.to_plain()["unlabelled_photographs"] == JOINED


@pytest.mark.long
def test_labels_are_checked_on_images_that_the_network_has_not_met(
    train: Train, two_epochs: Trainer, taught_by: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train("run")
    loaded = load_model(taught_by)
    predictor = Predictor(loaded.model, loaded.img_size)
    fits = []
    for pair in two_epochs.validator.pairs:
        pixels, truth = read_labelled(pair)
        mask = label_by(predictor, predictor.prepare(pixels)).mask
        fits.append((mask & truth.object).sum() / (mask | truth.object).sum())
    said = capsys.readouterr().out
    mean = f"{np.mean(fits):.2f}"
    assert f"of 3 held-out images the network is as sure of 3, and has a mean IoU of {mean}" in said


def test_what_a_network_has_trained_on_says_nothing_of_its_labels(two_epochs: Trainer) -> None:
    record, val = two_epochs.state.images, two_epochs.validator.pairs
    held = HeldOut(val, record)
    assert unmet(held, record) == list(val)
    trained = [replace(known, held=False) for known in record.images]
    assert unmet(held, SplitRecord(tuple(trained))) == []
    assert unmet(HeldOut(val), record) == []
    many = HeldOut(list(val) * 200, record)
    assert 100 < len(unmet(many, record)) <= 200


def test_present_labels_of_none() -> None:
    assert present_labels(None) == {}


def test_processes_that_train_together_find_the_labels_of_the_first(
    scenes: Path, photographs: Path, taught_by: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    settings = from_plain(merged(TINY, {
        "data": {"dataset_path": [scenes], "unlabelled": [photographs],
                 "unlabelled_confidence": 0.0},
        "optimise": {"teacher": taught_by},
    }))  # fmt: skip
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    labelled = find_splits(settings.data, folder.census, lambda _done, _of: None)

    def join(runtime: Runtime) -> DataSplits:
        return join_unlabelled(
            labelled, settings, folder, runtime, None,
            ear=NOBODY, on_progress=lambda _done, _of: None,
        )  # fmt: skip

    first, second = Runtime(torch.device("cpu")), Runtime(torch.device("cpu"), rank=1, world=2)
    with pytest.raises(DataError, match=r"9 labels of the first process .* all processes share"):
        join(second)
    whole = join(first)
    monkeypatch.setattr("decamo.training.pseudo_labels.label_by", never)
    written = (folder.pseudo_labels / "index.json").stat().st_mtime_ns
    assert join(second).train == join(first).train == whole.train
    assert join(second).record == whole.record
    assert (folder.pseudo_labels / "index.json").stat().st_mtime_ns == written


def test_what_was_labelled_before_a_stop_is_not_labelled_again(
    scenes: Path, photographs: Path, taught_by: Path, tmp_path: Path
) -> None:
    settings = from_plain(merged(TINY, {
        "data": {"dataset_path": [scenes], "unlabelled": [photographs],
                 "unlabelled_confidence": 0.0},
        "optimise": {"teacher": taught_by},
    }))  # fmt: skip
    folder, done = RunFolder(tmp_path / "run"), list[int]()
    folder.root.mkdir()
    labelled = find_splits(settings.data, folder.census, lambda _done, _of: None)

    def join(listen: Callable[[], str]) -> DataSplits:
        return join_unlabelled(
            labelled, settings, folder, Runtime(torch.device("cpu")), None,
            ear=Ear(listen), on_progress=lambda at, of: done.append(of),
        )  # fmt: skip

    with pytest.raises(StopAsked):
        join(lambda: "on SIGTERM" if len(done) >= 3 else "")
    kept = len(index_of(folder.root))
    assert 3 <= kept < JOINED
    done.clear()
    assert join(lambda: "").pseudo == JOINED
    assert set(done) == {JOINED - kept}
