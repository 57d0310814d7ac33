"""Diagnosis inside other trainers: theirs are run for real."""

import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import decamo


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def stalled(epoch: int) -> float:
    """An IoU that rises for ten epochs and stands still from there on."""
    return 0.62 - 0.3 * 0.6 ** min(epoch, 10) + 0.001 * float(np.sin(epoch))


def test_a_plain_loop_hears_of_a_plateau_once(tmp_path: Path) -> None:
    said: list[decamo.RunDiagnosis] = []
    watch = decamo.Watch(tmp_path, target=0.72, on_verdict=said.append)

    for epoch in range(1, 41):
        found = watch.epoch(epoch, lr=5e-5, train_loss=1 / epoch, val_iou=stalled(epoch))

    assert found.verdict == "plateau"
    assert [d.verdict for d in said].count("plateau") == 1
    assert decamo.Run(tmp_path).diagnose(0.72).verdict == "plateau"
    assert [p.iou for p in watch.run.past.points] == pytest.approx(
        [stalled(epoch) for epoch in range(1, 41)]
    )


def test_an_epoch_trained_again_counts_once_and_nan_is_kept(tmp_path: Path) -> None:
    watch = decamo.Watch(tmp_path)
    watch.epoch(1, val_iou=0.1, train_loss=float("nan"))
    again = decamo.Watch(tmp_path)  # the run was killed and resumed
    again.epoch(1, val_iou=0.2, train_loss=float(torch.tensor(0.5)))

    assert [(p.epoch, p.iou, p.loss) for p in again.run.past.points] == [(1, 0.2, 0.5)]


class Module(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        out = self.layer(x)
        return {"loss": out.square().mean(), "logits": out}


@pytest.mark.filterwarnings("ignore")
def test_lightning_feeds_it(tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning.pytorch")

    class Task(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = Module()

        def training_step(self, batch: Sequence[Tensor], index: int) -> Tensor:
            loss = self.net(batch[0])["loss"]
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch: Sequence[Tensor], index: int) -> None:
            self.log("val_iou", 0.1 * (self.current_epoch + 1))

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    data = DataLoader(TensorDataset(torch.randn(4, 2)), batch_size=2)
    trainer = lightning.Trainer(
        max_epochs=3, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu",
        callbacks=[decamo.lightning_callback(tmp_path / "watched")],
    )  # fmt: skip
    trainer.fit(Task(), data, data)

    points = decamo.Run(tmp_path / "watched").past.points
    assert [p.epoch for p in points] == [1, 2, 3]
    assert [p.iou for p in points] == pytest.approx([0.1, 0.2, 0.3])
    assert all(p.loss is not None for p in points)
    assert [line["lr"] for line in lines(tmp_path / "watched")] == [0.01] * 3


class Rows(Dataset[dict[str, Tensor]]):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"x": torch.ones(2) * index, "labels": torch.zeros(1)}

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return (self[i] for i in range(len(self)))


@pytest.mark.filterwarnings("ignore")
def test_the_trainer_of_transformers_feeds_it(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = transformers.TrainingArguments(
            output_dir=str(tmp_path / "out"), num_train_epochs=3, eval_strategy="epoch",
            logging_steps=1, report_to=[], save_strategy="no", use_cpu=True, disable_tqdm=True,
            per_device_train_batch_size=2, dataloader_pin_memory=False,
        )  # fmt: skip
        trainer = transformers.Trainer(
            Module(), arguments, train_dataset=Rows(), eval_dataset=Rows(),
            compute_metrics=lambda prediction: {"iou": 0.25},
            callbacks=[decamo.transformers_callback(tmp_path / "watched")],
        )  # fmt: skip
        trainer.train()

    assert [sorted(line) for line in lines(tmp_path / "watched")] == [
        ["epoch", "lr", "train_loss", "val_iou", "val_loss"]
    ] * 3
    points = decamo.Run(tmp_path / "watched").past.points
    assert [(p.epoch, p.iou) for p in points] == [(1, 0.25), (2, 0.25), (3, 0.25)]
