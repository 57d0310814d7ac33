"""A plain training loop over FPN of segmentation-models-pytorch: what a practitioner would write.

A program of its own, for a Python that has torch, segmentation-models-pytorch, albumentations and
OpenCV: ``python training_peer.py JSON``. After each epoch it prints its seconds,
until the device is done with it, and its images.
"""

import importlib
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

try:
    import torch
    from torch.utils.data import DataLoader, Dataset
except ImportError as lacking:
    sys.stderr.write(f"{lacking}\n")
    raise SystemExit(3) from lacking

__all__ = ["main"]


class _Pictures(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    def __init__(self, pairs: Sequence[tuple[str, str]], size: int) -> None:
        self.cv2, album = importlib.import_module("cv2"), importlib.import_module("albumentations")
        self.cv2.setNumThreads(1)
        self.pairs = pairs
        self.change = album.Compose(
            [
                album.RandomResizedCrop((size, size), scale=(0.4, 1.0), ratio=(0.75, 4 / 3), p=0.7),
                album.Resize(size, size),  # returns at once where the crop was made
                album.HorizontalFlip(p=0.5),
                album.Rotate(limit=15, border_mode=self.cv2.BORDER_REFLECT_101, p=0.3),
                album.ColorJitter(0.2, 0.2, 0.2, 0.03, p=0.8),
                album.GaussianBlur(blur_limit=0, sigma_limit=(0.3, 1.5), p=0.1),
                album.ToGray(p=0.05),
                album.Normalize(),
                album.ToTensorV2(),
            ]
        )

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        cv2, (image, mask) = self.cv2, self.pairs[index]
        pixels = cv2.cvtColor(cv2.imread(image), cv2.COLOR_BGR2RGB)
        found = self.change(image=pixels, mask=cv2.imread(mask, cv2.IMREAD_GRAYSCALE))
        return found["image"], (found["mask"][None] >= 128).float()


def main(argv: list[str]) -> int:
    """Train; returns the exit code, 3 where a package is missing."""
    try:
        smp: Any = importlib.import_module("segmentation_models_pytorch")
        terms = json.loads(argv[0])
        data = _Pictures([tuple(pair) for pair in terms["pairs"]], terms["size"])
    except ImportError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    torch.manual_seed(0)
    device = torch.device(terms["device"])
    network = smp.FPN("tu-" + terms["backbone"], encoder_weights=None).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    loss = torch.nn.BCEWithLogitsLoss()
    batches: Any = DataLoader(
        data,
        terms["batch"],
        shuffle=True,
        num_workers=terms["workers"],
        persistent_workers=terms["workers"] > 0,
    )
    for _ in range(terms["epochs"]):
        began = time.perf_counter()
        for image, mask in batches:
            optimizer.zero_grad()
            loss(network(image.to(device)), mask.to(device)).backward()
            optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        print(json.dumps([time.perf_counter() - began, len(data)]), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
