"""From another program's stalled run to a better one, by this project's commands alone."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from decamo.cli import main
from decamo.data.layouts import find_pairs
from decamo.data.scenes import write_scenes

SIDE, EPOCHS, RATE = 64, 20, 1e-5
SOURCE = '''\
import timm
import torch
from torch import nn
from torch.nn.functional import interpolate


class Net(nn.Module):
    """Features of a small network, side by side, and one logit a pixel."""

    def __init__(self):
        super().__init__()
        self.backbone = timm.create_model("test_efficientnet", features_only=True)
        channels = sum(self.backbone.feature_info.channels())
        self.head = nn.Sequential(nn.Conv2d(channels, 16, 1), nn.BatchNorm2d(16), nn.ReLU(),
                                  nn.Conv2d(16, 1, 1))

    def forward(self, image):
        maps = self.backbone(image)
        maps = [interpolate(one, maps[0].shape[-2:], mode="bilinear") for one in maps]
        return interpolate(self.head(torch.cat(maps, 1)), image.shape[-2:], mode="bilinear")


def build():
    return Net()
'''


def their_data(root: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """All images and masks of a half, squashed to one size as their program does it."""
    shown, truth = [], []
    for pair in find_pairs([root], "train").pairs:
        with Image.open(pair.image) as image, Image.open(pair.mask) as mask:
            pixels = np.asarray(image.convert("RGB").resize((SIDE, SIDE)), np.float32) / 255
            shown.append(torch.tensor(pixels).permute(2, 0, 1))
            truth.append(torch.tensor(np.asarray(mask.convert("L").resize((SIDE, SIDE)))) > 127)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    images = (torch.stack(shown) - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    return images, torch.stack(truth)[:, None].float()


def their_program(net: nn.Module, data: Path, folder: Path) -> tuple[Path, Path]:
    """A plain training loop: its log and its checkpoint, both in a form of its own."""
    images, masks = their_data(data)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    lines, best = [f"Namespace(lr={RATE}, batchsize=8, epoch={EPOCHS}, trainsize={SIDE})"], 0.0
    for epoch in range(EPOCHS):
        net.train()
        losses = []
        for at in torch.randperm(len(images)).split(8):
            loss = binary_cross_entropy_with_logits(net(images[at]), masks[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        net.eval()
        with torch.no_grad():
            found = net(images).sigmoid() > 0.5
        both, either = (found & (masks > 0)).sum(), (found | (masks > 0)).sum()
        iou = float(both / either)  # pooled over all pixels
        best = max(best, iou)
        lines.append(
            f"[Train Info]: Epoch [{epoch + 1:03d}/{EPOCHS:03d}], loss: {np.mean(losses):.4f}, "
            f"mIoU: {iou:.4f}, lr: {RATE}"
        )
    (folder / "train.log").write_text("\n".join(lines) + "\n")
    content = {
        "epoch": EPOCHS - 1,
        "model_state_dict": {f"module.{k}": v for k, v in net.state_dict().items()},
        "optimizer_state_dict": optimizer.state_dict(),
        "best_miou": np.float64(best),
        "config": {"lr": RATE, "batchsize": 8, "num_epochs": EPOCHS + 14, "trainsize": SIDE},
    }
    torch.save(content, folder / "their_best.pth")
    return folder / "train.log", folder / "their_best.pth"


def decamo(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.mark.long
def test_a_run_of_another_program_is_rescued(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "scenes"
    write_scenes(
        data, train=160, test=40, size=64, noncam_share=0.0, seed=3, on_progress=lambda _d, _o: None
    )
    (tmp_path / "their_net.py").write_text(SOURCE)
    scope: dict[str, object] = {}
    exec(compile(SOURCE, "their_net.py", "exec"), scope)
    torch.manual_seed(0)
    net = scope["build"]()  # type: ignore[operator]
    log, theirs = their_program(net, data, tmp_path)
    network = ("--network", f"{tmp_path / 'their_net.py'}:build")
    place = ("--dataset-path", data, "--device", "cpu", "--num-workers", 0)
    adopted = tmp_path / "adopted"

    assert decamo("diagnose", log, "--json", tmp_path / "verdict.json") == 0
    assert json.loads((tmp_path / "verdict.json").read_text())["verdict"]["kind"] == "plateau"
    assert "decamo adopt" in capsys.readouterr().out

    assert (
        decamo("adopt", theirs, *network, "--log", log, *place, "--val-fraction", 0.4,
               "--batch-size", 2, "--out", adopted) == 0
    )  # fmt: skip
    told = capsys.readouterr().out
    for part in ("'module.', which was taken off", "it came with IoU", "here it has IoU",
                 "Adam's moments of", f"learning rate: {RATE} as in its optimizer"):  # fmt: skip
        assert part in told
    assert decamo("diagnose", adopted) == 0
    assert "epochs 1 to 20" in capsys.readouterr().out

    race, start, ours = tmp_path / "race.json", adopted / "last.pth", tmp_path / "on"
    assert (
        decamo("escape", start, *network, *place, "--only", "rate-x10", "--trial-epochs", 10,
               "--json", race, "--checkpoint-dir", ours, "--continue") == 0
    )  # fmt: skip
    outcome = json.loads(race.read_text())
    assert outcome["winner"] == "rate-x10"
    assert "winner: rate-x10, better than the control" in capsys.readouterr().out

    scores = tmp_path / "scores.json"
    assert (
        decamo("evaluate", f"theirs={start}", f"ours={ours / 'best_model.pth'}", *network,
               "--dataset-path", data, "--device", "cpu", "--compare", "theirs", "ours",
               "--json", scores) == 0
    )  # fmt: skip
    compared = json.loads(scores.read_text())["comparisons"]
    assert next(one for one in compared if one["measure"] == "iou")["low"] > 0
